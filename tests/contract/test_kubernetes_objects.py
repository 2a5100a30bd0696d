"""
What becomes of a Lease object that somebody else wrote on as well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from k8s_leader.clock import SystemClock
from k8s_leader.election.record import Record
from k8s_leader.errors import LeaseMalformedError
from k8s_leader.kube.client import KubeClient
from k8s_leader.kube.settings import KubeSettings
from k8s_leader.leases.kubernetes import KubernetesStore, parse, spell
from k8s_leader.leases.port import Held, StillHeld
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.testing.clock import FakeClock
from tests.helpers.fake_kube import FakeKube

KEY = "default/job"
ODD: list[Any] = [None, "", "x", -1, 0, 2**70, 1.5, True, [], {}, "9" * 30, "-5"]


@pytest.fixture
async def fake() -> AsyncIterator[FakeKube]:
    async with FakeKube() as server:
        yield server


@pytest.fixture
async def manager(
    fake: FakeKube, tmp_path: Path
) -> AsyncIterator[RecordedLeaseManager]:
    settings = KubeSettings(kubeconfig=fake.kubeconfig(tmp_path))
    async with KubeClient.connect(settings, environ={}, clock=SystemClock()) as client:
        yield RecordedLeaseManager(
            KubernetesStore(
                client.leases, namespace="default", name="job", timeout=20.0
            ),
            identity="a",
            clock=FakeClock(),
            lease_duration=15.0,
        )


async def test_what_others_wrote_survives(
    fake: FakeKube, manager: RecordedLeaseManager
) -> None:
    fake.create(
        KEY,
        {"futureField": {"x": 1}},
        labels={"team": "blue"},
        annotations={"note": "keep", "k8s-leader.io/other": "too"},
    )
    assert isinstance(await manager.acquire(duration=15.0), Held)
    await manager.renew(duration=15.0)
    await manager.release()
    lease = fake.leases[KEY]
    assert lease["spec"]["futureField"] == {"x": 1}
    assert lease["metadata"]["labels"] == {"team": "blue"}
    assert lease["metadata"]["annotations"]["note"] == "keep"
    assert lease["metadata"]["annotations"]["k8s-leader.io/other"] == "too"


async def test_s8_a_label_edit_while_leading_is_no_loss(
    fake: FakeKube, manager: RecordedLeaseManager
) -> None:
    await manager.acquire(duration=15.0)
    fake.edit(KEY, lambda lease: lease["metadata"].update(labels={"new": "label"}))
    assert await manager.renew(duration=15.0) == StillHeld()
    assert fake.leases[KEY]["metadata"]["labels"] == {"new": "label"}


async def test_all_five_fields_are_written_as_client_go_reads_them(
    fake: FakeKube, manager: RecordedLeaseManager
) -> None:
    await manager.acquire(duration=15.5)
    spec = fake.leases[KEY]["spec"]
    assert spec == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 16,
        "acquireTime": "2025-06-15T15:06:40.000000Z",
        "renewTime": "2025-06-15T15:06:40.000000Z",
        "leaseTransitions": 0,
    }
    await manager.release()
    spec = fake.leases[KEY]["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("", 1)


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_odd_values_are_read_as_absent_or_as_what_they_say(value: Any) -> None:
    names: tuple[str, ...] = (
        *("holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime"),
        *("leaseTransitions", "strategy", "preferredHolder"),
    )
    notes = ("holder", "lease-duration", "transitions", "released-by", "fencing-token")
    body: dict[str, Any] = {
        "metadata": {
            "name": "job",
            "uid": value,
            "resourceVersion": value,
            "annotations": {f"k8s-leader.io/{name}": value for name in notes},
        },
        "spec": dict.fromkeys(names, value),
    }
    record = parse(body).record
    assert isinstance(record.holder, str)
    assert record.duration is None or 0 < record.duration < 2**31
    assert 0 <= record.transitions < 2**31
    assert record.token is None or 0 <= record.token < 2**63
    written = spell(body, record)["spec"]
    assert 1 <= written["leaseDurationSeconds"] < 2**31
    assert 0 <= written["leaseTransitions"] < 2**31


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_odd_parts_are_read_as_a_free_lease(value: Any) -> None:
    assert parse({"metadata": {"annotations": value}, "spec": value}).record == Record()


@pytest.mark.parametrize("body", [{}, {"metadata": None}, {"metadata": "x"}])
def test_what_has_no_metadata_is_malformed(body: dict[str, Any]) -> None:
    with pytest.raises(LeaseMalformedError):
        parse(body)


@pytest.mark.parametrize(
    "record",
    [
        Record(),
        Record(
            holder="a",
            duration=15.0,
            acquire_time="2025-06-15T15:06:40.000000Z",
            renew_time="2025-06-15T15:06:41.000000Z",
            transitions=3,
            our_holder="a",
            our_duration=15.25,
            our_transitions=3,
            released_by="b",
            token=2**62,
        ),
    ],
)
def test_a_record_survives_the_round_trip(record: Record) -> None:
    body = spell({"metadata": {"uid": "u", "resourceVersion": "7"}}, record)
    found = parse(body)
    assert (found.uid, found.version) == ("u", 7)
    assert found.record.duration == (record.duration or 1.0)
    assert found.record.spec[2:] == record.spec[2:]
    assert found.record.our_duration == record.our_duration
    assert found.record.token == record.token
    assert found.record.released_by == record.released_by
