"""
What the releaser writes, and when it does not.
"""

from __future__ import annotations

from typing import Any

import pytest

from k8s_leader.errors import (
    LeaseConflictError,
    LeaseForbiddenError,
    LeaseUnavailableError,
)
from k8s_leader.leases.kubernetes import parse
from k8s_leader.observers.cluster.notes import read_history
from k8s_leader.operator import releaser as module
from k8s_leader.operator.releaser import Releaser
from k8s_leader.operator.view import ClusterView
from k8s_leader.testing.clock import FakeClock
from tests.unit.operator.objects import HOLDER, RUNNING, lease, pod, terminated


class FakeApi:
    """
    One Lease; each write may fail first.
    """

    def __init__(self, *failures: Exception) -> None:
        self.stored: dict[str, Any] | None = lease()
        self.failures = list(failures)
        self.writes: list[dict[str, Any]] = []

    async def get(
        self, namespace: str, name: str, *, timeout: float
    ) -> dict[str, Any] | None:
        return self.stored

    async def replace(
        self, namespace: str, body: dict[str, Any], *, timeout: float
    ) -> dict[str, Any]:
        self.writes.append(body)
        if self.failures:
            raise self.failures.pop(0)
        return body

    create: Any = None
    watch: Any = None


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0.0,) * 4)


def view(dead: dict[str, Any] | None = None) -> ClusterView:
    made = ClusterView()
    made.pods["shop", "web-0"] = dead or pod()
    made.leases["shop", "reports"] = lease()
    return made


def releaser(api: FakeApi, seen: ClusterView | None = None) -> Releaser:
    return Releaser(api, view=seen or view(), clock=FakeClock())


async def test_the_lease_is_freed_with_the_marker_and_the_reason() -> None:
    api = FakeApi()
    assert await releaser(api).lease_changed(lease())
    (written,) = api.writes
    record = parse(written).record
    assert record.is_free
    assert record.was_released
    assert record.transitions == 3
    assert written["metadata"]["resourceVersion"] == "41"  # a compare-and-swap
    notes = written["metadata"]["annotations"]
    assert "k8s-leader.io/pod" not in notes
    (change,) = read_history(notes)
    assert (change.who, change.what) == (HOLDER, "released")
    assert change.why == "container main of shop/web-0 ended: Error"


async def test_a_pod_s_end_releases_what_it_holds() -> None:
    api = FakeApi()
    await releaser(api).pod_changed(("shop", "web-0"))
    assert len(api.writes) == 1
    await releaser(api).pod_changed(("shop", "web-1"))
    assert len(api.writes) == 1


@pytest.mark.parametrize("dead", [pod(RUNNING), pod(terminated("web-0_other"))])
async def test_without_a_proof_nothing_is_written(dead: dict[str, Any]) -> None:
    api = FakeApi()
    assert not await releaser(api, view(dead)).lease_changed(lease())
    assert api.writes == []


async def test_a_pod_that_is_not_known_proves_nothing() -> None:
    api = FakeApi()
    assert not await releaser(api, ClusterView()).lease_changed(lease())
    assert api.writes == []


async def test_what_somebody_wrote_in_between_is_judged_again() -> None:
    api = FakeApi(LeaseConflictError("409"))
    later = lease()
    later["metadata"]["resourceVersion"] = "42"  # a last renewal, or a label
    api.stored = later
    assert await releaser(api).lease_changed(lease())
    assert [w["metadata"]["resourceVersion"] for w in api.writes] == ["41", "42"]


async def test_a_lease_that_another_took_in_between_is_left_alone() -> None:
    api = FakeApi(LeaseConflictError("409"))
    taken = lease(holder="web-1_other", entrypoint="web-1_other", pod="shop/web-1")
    taken["spec"]["holderIdentity"] = "web-1_other"
    api.stored = taken
    assert not await releaser(api).lease_changed(lease())
    assert len(api.writes) == 1


async def test_a_lease_that_was_deleted_in_between_stays_so() -> None:
    api = FakeApi(LeaseConflictError("404"))
    api.stored = None
    assert not await releaser(api).lease_changed(lease())
    assert len(api.writes) == 1


async def test_a_server_that_does_not_answer_is_asked_again_but_not_for_ever() -> None:
    api = FakeApi(*[LeaseUnavailableError("503")] * 2)
    assert await releaser(api).lease_changed(lease())
    assert len(api.writes) == 3
    silent = FakeApi(*[LeaseUnavailableError("503")] * 9)
    assert not await releaser(silent).lease_changed(lease())
    assert len(silent.writes) == 4


async def test_a_missing_right_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    api = FakeApi(*[LeaseForbiddenError("update leases", rule="- rule")] * 2)
    one = releaser(api)
    assert not await one.lease_changed(lease())
    assert not await one.lease_changed(lease())
    warnings = [r for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "- rule" in caplog.text
