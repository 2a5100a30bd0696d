"""
What is written beside the lease, without an API server: what it takes and refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from k8s_leader.election.events import State
from k8s_leader.election.record import Record
from k8s_leader.errors import (
    LeaseConflictError,
    LeaseError,
    LeaseForbiddenError,
    LeaseUnavailableError,
)
from k8s_leader.kube.events import Event, ObjectRef
from k8s_leader.kube.pods import PodRef
from k8s_leader.observers.cluster.candidates import candidates
from k8s_leader.observers.cluster.event_writer import EventWriter
from k8s_leader.observers.cluster.names import DELETION_COST, HISTORY, ROLE, label_value
from k8s_leader.observers.cluster.notes import LeaseNotes, read_history
from k8s_leader.observers.cluster.pod_role import Marks, Pace, PodRole
from k8s_leader.observers.port import StateChanged, WorkloadStarted
from k8s_leader.testing.clock import FakeClock

POD = PodRef(namespace="ns", name="a", uid="u")
QUICK = Pace(
    leader_again=0.01, standby_again=0.01, first_retry=0.001, longest_retry=0.01
)


def changed(before: State, after: State, reason: str = "") -> StateChanged:
    return StateChanged(before=before, after=after, reason=reason, token=1, holder="")


class FakePods:
    """
    One Pod, and the next errors instead of it.
    """

    def __init__(self, **annotations: str) -> None:
        self.labels: dict[str, str | None] = {}
        self.annotations: dict[str, str | None] = {
            k.replace("__", "/"): v for k, v in annotations.items()
        }
        self.errors: list[LeaseError] = []
        self.calls = 0
        self.hang = False

    async def mark(
        self,
        pod: PodRef,
        *,
        labels: Mapping[str, str | None],
        annotations: Mapping[str, str | None],
        timeout: float,
    ) -> dict[str, Any]:
        self.calls += 1
        assert pod == POD
        if self.hang:
            await asyncio.sleep(timeout)
            raise LeaseUnavailableError("no answer")
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        self.labels |= labels
        self.annotations |= annotations
        return {"metadata": {"annotations": dict(self.annotations)}}


@contextlib.asynccontextmanager
async def keeping(pods: FakePods, pace: Pace = QUICK) -> AsyncIterator[PodRole]:
    marks = Marks(
        identity="a_1", namespace="ns", lease="x", version="1", deletion_cost=7
    )
    role = PodRole(pods, POD, marks=marks, pace=pace)
    task = asyncio.create_task(role.run(), name="role")
    try:
        yield role
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(pods: FakePods, role: str | None, cost: str | None) -> None:
    async with asyncio.timeout(10):
        while (pods.labels.get(ROLE), pods.annotations.get(DELETION_COST)) != (  # noqa: ASYNC110  # a poll is enough
            role,
            cost,
        ):
            await asyncio.sleep(0.001)


async def test_a_pod_leads_from_its_workloads_start_to_the_terms_end() -> None:
    pods = FakePods()
    async with keeping(pods) as role:
        await until(pods, "standby", None)
        role.on_notice(changed(State.ACQUIRING, State.LEADING))
        await asyncio.sleep(0.02)
        assert pods.labels[ROLE] == "standby"
        role.on_notice(WorkloadStarted(token=1))
        await until(pods, "leader", "7")
        role.on_notice(changed(State.LEADING, State.LOSING))
        await until(pods, "standby", None)


async def test_a_term_that_ran_before_the_elector_is_led_at_once() -> None:
    pods = FakePods()
    async with keeping(pods) as role:
        role.on_notice(changed(State.IDLE, State.LEADING))
        await until(pods, "leader", "7")


async def test_what_somebody_else_changed_is_put_right() -> None:
    pods = FakePods()
    async with keeping(pods) as role:
        role.on_notice(WorkloadStarted(token=1))
        await until(pods, "leader", "7")
        pods.labels[ROLE], pods.annotations[DELETION_COST] = "standby", "-1"
        await until(pods, "leader", "7")


async def test_a_deletion_cost_of_others_comes_back() -> None:
    pods = FakePods(**{DELETION_COST.replace("/", "__"): "50"})
    async with keeping(pods) as role:
        await until(pods, "standby", "50")
        role.on_notice(WorkloadStarted(token=1))
        await until(pods, "leader", "7")
        role.on_notice(changed(State.LEADING, State.STOPPING))
        await until(pods, "standby", "50")


async def test_a_missing_right_is_told_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pods = FakePods()
    pods.errors = [LeaseForbiddenError("403", rule="- the rule") for _ in range(3)]
    with caplog.at_level(logging.INFO):
        async with keeping(pods):
            await until(pods, "standby", None)
    told = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == 1
    assert "- the rule" in told[0].getMessage()
    assert "--no-pod-label" in told[0].getMessage()
    assert "works again" in caplog.text


async def test_a_strange_pod_ends_all_attempts() -> None:
    pods = FakePods()
    pods.errors = [LeaseConflictError("another uid")]
    async with keeping(pods) as role:
        await asyncio.sleep(0.05)
        assert pods.calls == 1
        async with asyncio.timeout(1):
            await role.step_back()


async def test_the_farewell_waits_for_a_pod_that_answers_and_for_no_other() -> None:
    pods = FakePods()
    async with keeping(pods, Pace(timeout=5.0)) as role:
        role.on_notice(WorkloadStarted(token=1))
        await until(pods, "leader", "7")
        async with asyncio.timeout(5):
            await role.step_back()
        assert pods.labels[ROLE] == "standby"
        pods.hang = True
        role.on_notice(WorkloadStarted(token=2))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await role.step_back()
    unreachable = FakePods()
    unreachable.errors = [LeaseUnavailableError("down")] * 99
    async with keeping(unreachable) as role:
        await asyncio.sleep(0.01)
        async with asyncio.timeout(1):
            await role.step_back()


class FakeSink:
    def __init__(self, *errors: LeaseError) -> None:
        self.errors, self.events = list(errors), list[Event]()

    async def create(self, event: Event, *, timeout: float) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.events.append(event)


@contextlib.asynccontextmanager
async def writing(sink: FakeSink, *, calm: float = 0.0) -> AsyncIterator[EventWriter]:
    lease = ObjectRef(api_version="v1", kind="Lease", namespace="n", name="x", uid="u")
    writer = EventWriter(
        sink,
        identity="a_1",
        about=lambda: [lease],
        clock=FakeClock(),
        pause=0.001,
        calm=calm,
    )
    task = asyncio.create_task(writer.run(), name="events")
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_events_wait_until_the_hand_over_is_done() -> None:
    sink = FakeSink()
    loop = asyncio.get_running_loop()
    async with writing(sink, calm=0.02) as writer:
        begun = loop.time()
        writer.on_notice(changed(State.ACQUIRING, State.LEADING, "acquired"))
        await writer.settle()
    assert [event.message for event in sink.events] == ["a_1 became leader"]
    assert loop.time() - begun >= 0.02


async def test_events_tell_begin_and_end_of_a_term_with_the_reason() -> None:
    sink = FakeSink(LeaseUnavailableError("once"))
    async with writing(sink) as writer:
        writer.on_notice(changed(State.IDLE, State.STANDBY))
        writer.on_notice(changed(State.ACQUIRING, State.LEADING, "acquired"))
        writer.on_notice(changed(State.LEADING, State.LOSING, "stolen"))
        writer.on_notice(changed(State.LOSING, State.STANDBY, "stolen"))
        await writer.settle()
    assert [(e.kind, e.reason, e.message) for e in sink.events] == [
        ("Normal", "LeaderElection", "a_1 became leader"),
        ("Warning", "LeaderElection", "a_1 stopped leading (stolen)"),
    ]


async def test_events_that_do_not_fit_are_dropped() -> None:
    sink = FakeSink()
    async with writing(sink) as writer:
        for _ in range(1000):
            writer.on_notice(changed(State.ACQUIRING, State.LEADING))
        await writer.settle()
    assert len(sink.events) == 16


def test_a_long_message_is_cut_at_what_the_api_takes() -> None:
    lease = ObjectRef(api_version="v1", kind="Lease", namespace="n", name="x", uid="u")
    event = Event(
        about=lease, kind="Normal", reason="R", message="ä" * 999, at="", instance="i"
    )
    assert event.body()["message"] == "ä" * 512


RECORD = Record(holder="a_1", acquire_time="2026-01-02T03:04:05.000006Z", transitions=3)


def test_notes_say_from_whom_and_why() -> None:
    notes = LeaseNotes(version="1", pod="ns/a", node="n1")
    before = Record(holder="b_2", acquire_time="t", transitions=2)
    written = notes({}, before, RECORD)
    assert written["k8s-leader.io/pod"] == "ns/a"
    assert written["k8s-leader.io/last-change"] == (
        "2026-01-02T03:04:05Z a_1 acquired (the lease of b_2 expired)"
    )
    assert HISTORY not in notes({}, RECORD, RECORD)  # a renewal
    notes.on_notice(changed(State.LEADING, State.STOPPING, "SIGTERM"))
    free = Record(acquire_time="2026-01-02T03:04:09.000006Z", transitions=3)
    released = notes(written, RECORD, free)
    assert released["k8s-leader.io/pod"] is None
    assert [c.what for c in read_history(released)] == ["acquired", "released"]
    assert read_history(released)[1].why == "SIGTERM"


def test_only_a_guard_with_a_termination_log_says_so() -> None:
    note = "k8s-leader.io/entrypoint"
    notes = LeaseNotes(version="1", proves_death=True)
    assert notes({}, None, RECORD)[note] == "a_1"
    assert notes({note: "a_1"}, RECORD, Record(transitions=3))[note] is None
    assert LeaseNotes(version="1")({note: "b_2"}, None, RECORD)[note] is None


def test_the_history_stays_short() -> None:
    notes, annotations = LeaseNotes(version="1"), dict[str, Any]()
    for number in range(50):
        record = Record(holder="a", acquire_time=f"{number}", transitions=number)
        annotations |= notes(annotations, None, record)
    assert [c.term for c in read_history(annotations)] == list(range(42, 50))


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "[1]", '[{"at":1}]', "null", "[" * 9999, 7, None]
)
def test_an_odd_history_is_no_history(text: object) -> None:
    assert read_history({HISTORY: text}) == []


ODD: list[dict[str, Any]] = [
    {},
    {"metadata": None, "status": 3, "spec": []},
    {"metadata": {"annotations": {"k8s-leader.io/candidate": "[" * 9999}}},
    {"metadata": {"annotations": {"k8s-leader.io/candidate": "[]"}}},
    {"status": {"conditions": [None, 1, {"type": "Ready"}]}},
]


class FakeFinder:
    def __init__(self, pods: list[dict[str, Any]]) -> None:
        self.pods = pods

    async def find(
        self, namespace: str, *, selector: str, timeout: float
    ) -> list[dict[str, Any]]:
        assert (namespace, selector) == ("ns", "k8s-leader.io/lease=x")
        return self.pods


async def test_odd_pods_are_candidates_of_whom_little_is_known() -> None:
    found = await candidates(FakeFinder(ODD), namespace="ns", lease="x")
    assert len(found) == len(ODD)
    assert {(c.identity, c.ready, c.role.value) for c in found} == {
        ("", False, "standby")
    }


async def test_pods_that_ended_or_are_another_leases_are_none() -> None:
    facts = json.dumps({"lease": "other/x"})
    pods: list[dict[str, Any]] = [
        {"status": {"phase": "Failed"}},
        {"metadata": {"annotations": {"k8s-leader.io/candidate": facts}}},
    ]
    assert await candidates(FakeFinder(pods), namespace="ns", lease="x") == []


def test_a_long_name_becomes_a_label_that_is_its_own() -> None:
    names = ["a" * 64, "a" * 65, "a" * 253]
    values = {label_value(name) for name in names}
    assert len(values) == 3
    assert {len(value) for value in values} == {63}
    assert label_value("x") == "x"
