"""
The EndpointSlices of a leader's Service. Pure.

A Service that selects by the label ``role: leader`` can have two endpoints for a while,
because each Pod writes its own label. These slices have one writer and follow the
record of the Lease: never more than the one Pod that it names. Not guaranteed: that
this Pod still works under the Lease, which only the fencing token can show.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

from k8s_leader.leases.kubernetes import parse
from k8s_leader.operator.view import Body, key_of, says_of_itself

__all__ = ["MANAGER", "holds", "slices"]

MANAGER: Final = "operator.k8s-leader.io"
"""Value of ``endpointslice.kubernetes.io/managed-by``: others leave these alone."""


def holds(pod: Body, lease: Body) -> bool:
    """
    Tell whether a Pod's candidate is the holder: the name of a Pod can come back.
    """
    holder = parse(lease).record.holder
    return bool(holder) and says_of_itself(pod).get("identity") == holder


def slices(service: Body, leader: Body | None) -> list[dict[str, Any]]:
    """
    Return the EndpointSlices of a Service, one for each of its address families.

    Args:
        service: without a selector.
        leader: the Pod that leads; ``None``: nobody does, the slices are empty.
    """
    families = service["spec"].get("ipFamilies") or ["IPv4"]
    return [_slice(service, leader, family) for family in families]


def _slice(service: Body, leader: Body | None, family: str) -> dict[str, Any]:
    namespace, name = key_of(service)
    addresses = [] if leader is None else list(_addresses(leader, family))
    there = leader if addresses else None
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-leader-{family.lower()}",
            "namespace": namespace,
            "labels": {
                "kubernetes.io/service-name": name,
                "endpointslice.kubernetes.io/managed-by": MANAGER,
            },
            "ownerReferences": [  # it goes with the Service
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": name,
                    "uid": service["metadata"]["uid"],
                }
            ],
        },
        "addressType": family,
        "endpoints": [] if there is None else [_endpoint(there, addresses)],
        "ports": [] if there is None else list(_ports(service, there)),
    }


def _addresses(pod: Body, family: str) -> Iterator[str]:
    status = pod.get("status") or {}
    for entry in status.get("podIPs") or [{"ip": status.get("podIP")}]:
        if entry.get("ip") and f"IPv{ip_address(entry['ip']).version}" == family:
            yield entry["ip"]


def _endpoint(pod: Body, addresses: list[str]) -> dict[str, Any]:
    namespace, name = key_of(pod)
    conditions = (pod.get("status") or {}).get("conditions") or ()
    serves = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    leaves = bool(pod["metadata"].get("deletionTimestamp"))
    found = {
        "addresses": addresses,
        "conditions": {
            "ready": serves and not leaves,
            "serving": serves,
            "terminating": leaves,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace,
            "name": name,
            "uid": pod["metadata"]["uid"],
        },
    }
    node = pod["spec"].get("nodeName")
    return found | ({"nodeName": node} if node else {})


def _ports(service: Body, pod: Body) -> Iterator[dict[str, Any]]:
    """
    Yield the Service's ports as this Pod has them; a name that it lacks is left out.
    """
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol", "TCP")
        number = _number(port.get("targetPort") or port["port"], protocol, pod)
        if number is not None:
            found = {"port": number, "protocol": protocol, "name": port.get("name", "")}
            app = port.get("appProtocol")
            yield found | ({"appProtocol": app} if app else {})


def _number(target: int | str, protocol: str, pod: Body) -> int | None:
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    for container in (*spec["containers"], *(spec.get("initContainers") or ())):
        for port in container.get("ports") or ():
            if port.get("name") == target and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None
