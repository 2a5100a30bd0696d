"""
Where a leader's Service leads.
"""

from __future__ import annotations

import json
from typing import Any

from k8s_leader.operator.endpoints import holds, slices
from tests.unit.operator.objects import HOLDER, RUNNING, lease, pod


def service(*ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": "reports", "uid": "service-uid"},
        "spec": {"ports": list(ports) or [{"port": 80}], **spec},
    }


def leader(identity: str = HOLDER, *, ready: bool = True, **status: Any) -> Any:
    made = pod(RUNNING)
    facts = {"identity": identity, "lease": "shop/reports"}
    made["metadata"]["annotations"] = {"k8s-leader.io/candidate": json.dumps(facts)}
    made["spec"]["nodeName"] = "node-1"
    made["spec"]["containers"][0]["ports"] = [{"name": "web", "containerPort": 8080}]
    condition = {"type": "Ready", "status": str(ready)}
    made["status"] |= {"podIP": "10.0.0.7", "conditions": [condition], **status}
    return made


def test_a_pod_of_the_same_name_that_came_later_does_not_hold_the_lease() -> None:
    assert holds(leader(), lease())
    assert not holds(leader("web-0_another"), lease())
    free = lease()
    free["spec"]["holderIdentity"] = ""
    assert not holds(leader(""), free)


def test_the_leaders_address_and_nobody_elses() -> None:
    (found,) = slices(service({"port": 80, "targetPort": "web"}), leader())
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "reports"
    assert found["metadata"]["ownerReferences"][0]["uid"] == "service-uid"
    (endpoint,) = found["endpoints"]
    assert endpoint["addresses"] == ["10.0.0.7"]
    assert endpoint["nodeName"] == "node-1"
    assert endpoint["conditions"]["ready"] is True
    assert found["ports"] == [{"port": 8080, "protocol": "TCP", "name": ""}]


def test_nobody_leads() -> None:
    (found,) = slices(service(), None)
    assert (found["endpoints"], found["ports"]) == ([], [])


def test_a_leader_that_is_not_ready_or_leaves_gets_no_new_connections() -> None:
    (found,) = slices(service(), leader(ready=False))
    assert found["endpoints"][0]["conditions"]["ready"] is False
    leaving = leader()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    (found,) = slices(service(), leaving)
    conditions = {"ready": False, "serving": True, "terminating": True}
    assert found["endpoints"][0]["conditions"] == conditions


def test_a_slice_for_each_address_family() -> None:
    both = leader(podIPs=[{"ip": "10.0.0.7"}, {"ip": "fd00::7"}])
    found = slices(service(ipFamilies=["IPv6", "IPv4"]), both)
    assert [(f["addressType"], f["endpoints"][0]["addresses"][0]) for f in found] == [
        ("IPv6", "fd00::7"),
        ("IPv4", "10.0.0.7"),
    ]
    (only6,) = slices(service(ipFamilies=["IPv6"]), leader())
    assert only6["endpoints"] == []


def test_ports_by_number_by_name_and_one_that_the_pod_does_not_have() -> None:
    ports = (
        {"name": "a", "port": 80, "targetPort": 9000, "appProtocol": "http"},
        {"name": "b", "port": 81, "targetPort": "web"},
        {"name": "c", "port": 82, "targetPort": "web", "protocol": "UDP"},
        {"name": "d", "port": 83},
    )
    (found,) = slices(service(*ports), leader())
    numbers = {port["name"]: port["port"] for port in found["ports"]}
    assert numbers == {"a": 9000, "b": 8080, "d": 83}
    assert found["ports"][0]["appProtocol"] == "http"
