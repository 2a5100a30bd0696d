"""
Observers harm nobody, and a candidacy tells them all they need, in order.
"""

from __future__ import annotations

import logging

import pytest

from k8s_leader.clock import SystemClock
from k8s_leader.election.events import Event, State, Stop, WorkloadGone
from k8s_leader.election.grant import Grant
from k8s_leader.election.timing import Timing
from k8s_leader.leases.memory import InMemoryLeaseManager, MemoryLease
from k8s_leader.leases.port import Held
from k8s_leader.observers.port import (
    Audience,
    GrantMoved,
    HolderSeen,
    Notice,
    RequestDone,
    StateChanged,
)
from k8s_leader.runner.loop import ElectionLoop


class Notebook:
    """
    Writes down what it is told.
    """

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def on_notice(self, notice: Notice) -> None:
        self.notices.append(notice)


class Faulty:
    def on_notice(self, notice: Notice) -> None:
        raise RuntimeError("broken observer")


class Obedient:
    """
    A workload that is gone as soon as it is told to stop.
    """

    loop: ElectionLoop

    def start(self, grant: Grant, held: Held) -> None:
        self.loop.report(Stop(), reason="enough")

    def extend(self, grant: Grant) -> None:
        pass

    def stop(self, *, why: str, budget: float) -> None:
        gone: Event = WorkloadGone()
        self.loop.report(gone)


def test_an_observer_that_raises_is_logged_and_harms_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notebook = Notebook()
    with caplog.at_level(logging.ERROR):
        Audience([Faulty(), notebook]).tell(HolderSeen(holder="a"))
    assert notebook.notices == [HolderSeen(holder="a")]
    assert "an observer failed" in caplog.text


async def test_a_candidacy_tells_requests_grant_states_and_holder() -> None:
    timing = Timing.derive(15.0)
    clock = SystemClock()
    manager = InMemoryLeaseManager(
        MemoryLease(), identity="me", clock=clock, lease_duration=15.0
    )
    workload, notebook = Obedient(), Notebook()
    loop = ElectionLoop(
        manager=manager,
        workload=workload,
        clock=clock,
        timing=lambda: timing,
        observers=(notebook,),
    )
    workload.loop = loop
    await loop.run()
    await manager.close()

    states = [n.after for n in notebook.notices if isinstance(n, StateChanged)]
    assert [s for s in states if s is not State.ACQUIRING][-3:] == [
        State.STOPPING,
        State.RELEASING,
        State.STOPPED,
    ]
    requests = [n.operation for n in notebook.notices if isinstance(n, RequestDone)]
    assert requests[0] == "acquire"
    assert requests[-1] == "release"
    assert HolderSeen(holder="me") in notebook.notices
    assert any(isinstance(n, GrantMoved) for n in notebook.notices)
