"""
What the operator does besides, for real candidates on a real API server.
"""

from __future__ import annotations

import http.client
import itertools
from typing import Any

import pytest

from tests.helpers.candidate import wait_until
from tests.helpers.operator import Operator
from tests.helpers.site import NAME, Site

pytestmark = [pytest.mark.kube, pytest.mark.slow]

CREATED = ("--lease-create=false",)


def make_lease(
    site: Site,
    name: str = NAME,
    *,
    spec: dict[str, Any] | None = None,
    **annotations: str,
) -> str:
    """
    Make a managed Lease as a chart does, and return its path.
    """
    path = site.api.lease_path(site.namespace, name)
    metadata = {
        "name": name,
        "labels": {"k8s-leader.io/managed": "true"},
        "annotations": {f"k8s-leader.io/{n}": text for n, text in annotations.items()},
    }
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    made = {**body, "metadata": metadata, "spec": spec or {}}
    site.api.request("POST", path.rpartition("/")[0], made)
    return path


def patch(site: Site, path: str, body: dict[str, Any]) -> None:
    site.api.patch(path, body)


def scrape(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    except OSError:
        return ""  # it does not listen yet
    finally:
        connection.close()


def test_a_lease_is_measured_and_annotated_until_it_is_gone(
    site: Site, operator: Operator, port: int
) -> None:
    def shows(name: str, value: str) -> bool:
        labels = f'{{lease="{NAME}",lease_namespace="{site.namespace}"}}'
        return f"k8s_leader_cluster_{name}{labels} {value}\n" in scrape(port)

    with site.candidate("a") as a:
        wait_until(lambda: site.role("a") == "leader")
        with site.candidate("b") as b:
            wait_until(lambda: site.role("b") == "standby")
            wait_until(lambda: site.notes().get("candidates") == "2")
            wait_until(lambda: shows("candidates", "2.0") and shows("held", "1.0"))
            assert f'pod="{site.namespace}/a"' in scrape(port)
            assert b.stop() == 0
        site.api.request("DELETE", f"{site.pods}/b?gracePeriodSeconds=0")
        wait_until(lambda: site.notes().get("candidates") == "1")
        assert a.stop() == 0
    wait_until(lambda: shows("held", "0.0"))
    site.api.request("DELETE", site.api.lease_path(site.namespace, NAME))
    wait_until(lambda: 'lease="' not in scrape(port), why="it is forgotten")
    assert site.journal.most_at_once() == 1


def test_a_deleted_lease_is_made_again_on_request_and_the_token_grows(
    site: Site, operator: Operator
) -> None:
    path = make_lease(site, remake="true")
    uid = site.lease()["metadata"]["uid"]
    with site.candidate("a", *CREATED) as a, site.candidate("b", *CREATED) as b:
        wait_until(lambda: {"fencing-token", "candidates"} <= site.notes().keys())
        for count in (2, 3):
            site.api.request("DELETE", path)
            wait_until(lambda n=count: len(site.journal.tokens()) >= n)  # type: ignore[misc]
        assert site.lease()["metadata"]["uid"] != uid
        assert site.notes()["remake"] == "true"
        for candidate in (a, b):
            candidate.stop()
    tokens = site.journal.tokens()
    assert all(one < next_ for one, next_ in itertools.pairwise(tokens))
    assert site.journal.most_at_once() == 1


def test_a_lease_that_asks_for_nothing_stays_deleted(
    site: Site, operator: Operator
) -> None:
    path = make_lease(site)
    other = make_lease(site, "other", remake="true")
    wait_until(lambda: "candidates" in site.notes(), why="the operator knows it")
    site.api.request("DELETE", path)
    site.api.request("DELETE", other)
    wait_until(lambda: operator.said("other was deleted: it is made again"))
    assert site.api.lease(site.namespace, NAME) is None


def test_a_leader_that_keeps_changing_is_an_event_on_the_lease(
    site: Site, operator: Operator
) -> None:
    # Made with its record: an operator that lists in between counts from none.
    path = make_lease(site, spec={"holderIdentity": "a", "leaseTransitions": 3})
    wait_until(lambda: "candidates" in site.notes(), why="the operator saw it")
    patch(site, path, {"spec": {"holderIdentity": "b", "leaseTransitions": 8}})
    uid = site.lease()["metadata"]["uid"]
    said = "the leader changed 5 times within 15 minutes"
    wait_until(lambda: site.events("Lease", uid) == [said])


def test_a_service_without_selector_leads_to_the_leader_alone(
    site: Site, operator: Operator
) -> None:
    namespace = f"/namespaces/{site.namespace}"
    for name, notes in (("reports", {"k8s-leader.io/leader-of": NAME}), ("x", {})):
        metadata = {"name": name, "annotations": notes}
        spec = {"ports": [{"port": 80, "targetPort": 8080}]}
        body = {"metadata": metadata, "spec": spec}
        site.api.request("POST", f"/api/v1{namespace}/services", body)
    slices = f"/apis/discovery.k8s.io/v1{namespace}/endpointslices"

    def addresses() -> list[str]:
        items = site.api.request("GET", slices)["items"]
        assert all(i["metadata"]["name"] == "reports-leader-ipv4" for i in items)
        found = (e["addresses"] for i in items for e in i.get("endpoints") or ())
        return list(itertools.chain(*found))

    with site.candidate("a") as a:
        serve_at(site, "a", "10.0.0.1")
        wait_until(lambda: addresses() == ["10.0.0.1"])
        with site.candidate("b") as b:
            serve_at(site, "b", "10.0.0.2")
            wait_until(lambda: site.role("b") == "standby")
            assert addresses() == ["10.0.0.1"]
            assert a.stop() == 0
            wait_until(lambda: addresses() == ["10.0.0.2"])
            site.api.request("DELETE", f"{site.pods}/b?gracePeriodSeconds=0")
            wait_until(lambda: addresses() == [], why="nobody is at its address")
            b.stop()
    assert site.journal.most_at_once() == 1


def serve_at(site: Site, pod: str, address: str) -> None:
    """
    Write a Pod's status as the kubelet does when it is ready.
    """
    status = {
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    patch(site, f"{site.pods}/{pod}/status", {"status": status})
