"""
When a leader's EndpointSlices are written, and when nobody touches them.
"""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from k8s_leader.errors import (
    LeaseConflictError,
    LeaseForbiddenError,
    LeaseNotFoundError,
)
from k8s_leader.kube import KubeClient
from k8s_leader.operator.switchboard import Switchboard
from k8s_leader.operator.view import ClusterView
from k8s_leader.testing import FakeClock
from tests.unit.operator.objects import HOLDER, RUNNING, lease, pod

SERVICE = ("shop", "reports")
NAME = "reports-leader-ipv4"


class Slices:
    """
    The EndpointSlices of an API server; `failures` are raised first, one per request.
    """

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.sent: list[str] = []
        self.failures: list[Exception | None] = []

    async def request(
        self, method: str, path: str, *, body: Any = None, **_: Any
    ) -> dict[str, Any]:
        self.sent.append(method)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        if method == "GET":
            name = path.rpartition("/")[2]
            if name not in self.stored:
                raise LeaseNotFoundError(path)
            return self.stored[name]
        self.stored[body["metadata"]["name"]] = body
        return dict(body)

    def addresses(self) -> list[str]:
        return [
            address
            for endpoint in self.stored[NAME]["endpoints"]
            for address in endpoint["addresses"]
        ]


class Site:
    """
    A Service of a Lease, its holder's Pod, and the switchboard that looks at them.
    """

    def __init__(self, *, settled: bool = True) -> None:
        self.api, self.view, self.clock = Slices(), ClusterView(), FakeClock()
        self.board = Switchboard(
            cast("KubeClient", self.api), view=self.view, clock=self.clock
        )
        if settled:
            self.clock.advance(10.0)
        self.view.services[SERVICE] = {
            "metadata": {
                "namespace": "shop",
                "name": "reports",
                "uid": "service-uid",
                "annotations": {"k8s-leader.io/leader-of": "reports"},
            },
            "spec": {"ports": [{"port": 80}]},
        }

    def lead(self, address: str = "10.0.0.7", identity: str = HOLDER) -> Any:
        leader = pod(RUNNING)
        facts = {"identity": identity, "lease": "shop/reports"}
        leader["metadata"]["annotations"] = {
            "k8s-leader.io/candidate": json.dumps(facts)
        }
        leader["status"]["podIP"] = address
        self.view.pods["shop", "web-0"] = leader
        self.view.leases["shop", "reports"] = lease()
        return leader


@pytest.fixture
def site() -> Site:
    return Site()


async def test_the_leader_is_written_once_and_nothing_new_costs_no_request(
    site: Site,
) -> None:
    leader = site.lead()
    await site.board.lease_changed(lease())
    assert site.api.addresses() == ["10.0.0.7"]
    assert site.api.sent == ["GET", "POST"]
    await site.board.lease_changed(lease())
    await site.board.pod_changed(("shop", "web-0"))
    assert site.api.sent == ["GET", "POST"]
    leader["status"]["podIP"] = "10.0.0.8"
    await site.board.pod_changed(("shop", "web-0"))
    assert site.api.addresses() == ["10.0.0.8"]
    assert site.api.sent[2:] == ["GET", "PUT"]


@pytest.mark.parametrize("what", ["lease", "pod", "free", "another"])
async def test_nobody_is_behind_it_once_its_leader_is_gone(
    site: Site, what: str
) -> None:
    leader = site.lead()
    await site.board.service_changed(SERVICE)
    gone = lease()
    if what == "lease":
        del site.view.leases["shop", "reports"]
        await site.board.lease_deleted(gone)
    elif what == "pod":
        del site.view.pods["shop", "web-0"]
        await site.board.pod_deleted(leader)
    else:
        gone["spec"]["holderIdentity"] = {"free": "", "another": "web-1_x"}[what]
        site.view.leases["shop", "reports"] = gone
        await site.board.lease_changed(gone)
    assert site.api.addresses() == []


async def test_what_is_not_listed_yet_after_the_start_empties_nothing() -> None:
    site = Site(settled=False)
    await site.board.service_changed(SERVICE)
    assert site.api.sent == []
    site.clock.advance(10.0)
    await site.board.service_changed(SERVICE)
    assert site.api.addresses() == []


async def test_what_another_hand_added_stays_and_what_it_changed_is_set_right(
    site: Site,
) -> None:
    site.lead()
    await site.board.service_changed(SERVICE)
    found = site.api.stored[NAME]
    found["metadata"]["labels"]["team"] = "blue"
    found["endpoints"] = []
    site.lead(address="10.0.0.9")
    await site.board.service_changed(SERVICE)
    assert site.api.addresses() == ["10.0.0.9"]
    assert site.api.stored[NAME]["metadata"]["labels"]["team"] == "blue"


async def test_a_slice_that_is_right_already_is_not_written(site: Site) -> None:
    site.lead()
    await site.board.service_changed(SERVICE)
    after_a_restart = Site()
    after_a_restart.api.stored = site.api.stored
    after_a_restart.lead()
    await after_a_restart.board.service_changed(SERVICE)
    assert after_a_restart.api.sent == ["GET"]


async def test_who_was_slower_reads_again(site: Site) -> None:
    site.lead()
    site.api.failures = [None, LeaseConflictError("409")]
    site.api.stored[NAME] = {"metadata": {"name": NAME, "namespace": "shop"}}
    await site.board.service_changed(SERVICE)
    assert site.api.sent == ["GET", "PUT", "GET", "PUT"]
    assert site.api.addresses() == ["10.0.0.7"]


async def test_what_was_not_written_is_not_taken_for_written(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.lead()
    site.api.failures = [None, LeaseConflictError("409")] * 3
    await site.board.service_changed(SERVICE)
    assert "kept changing" in caplog.text
    await site.board.service_changed(SERVICE)
    assert site.api.addresses() == ["10.0.0.7"]


async def test_a_failure_is_told_once_and_made_up_for_by_the_next_change(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.lead()
    site.api.failures = [LeaseForbiddenError("get", rule="- the rule")] * 2
    await site.board.service_changed(SERVICE)
    await site.board.service_changed(SERVICE)
    assert caplog.text.count("- the rule") == 1
    await site.board.service_changed(SERVICE)
    assert site.api.addresses() == ["10.0.0.7"]


async def test_a_service_with_a_selector_and_one_that_is_gone_are_left_alone(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    service = cast("dict[str, Any]", site.view.services[SERVICE])
    service["spec"]["selector"] = {"app": "reports"}
    site.lead()
    await site.board.service_changed(SERVICE)
    assert "has a selector" in caplog.text
    del site.view.services[SERVICE]
    await site.board.service_changed(SERVICE)
    assert site.api.sent == []


async def test_leases_and_pods_of_others_are_nobodys_business(site: Site) -> None:
    site.lead()
    foreign = lease()
    foreign["metadata"]["name"] = "other"
    await site.board.lease_changed(foreign)
    await site.board.pod_changed(("shop", "web-7"))
    assert site.api.sent == []
