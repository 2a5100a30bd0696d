"""
The rows of client-go's tests that are about a whole elector, by number.

docs/client-go-tests.md has all of them.
"""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from k8s_leader.clock import SystemClock
from k8s_leader.election import events as ev
from k8s_leader.election.events import State
from k8s_leader.election.grant import Grant
from k8s_leader.election.record import Record, Stored
from k8s_leader.election.timing import Timing
from k8s_leader.errors import LeaseConflictError, SettingsError
from k8s_leader.leases.memory import MemoryLease, MemoryStore
from k8s_leader.leases.port import Held
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.observers.port import Notice, StateChanged
from k8s_leader.runner.inprocess import InProcessWorkload
from k8s_leader.runner.loop import ElectionLoop
from k8s_leader.runner.term import Term
from k8s_leader.settings.names import identity_prefix

TIMING = Timing.derive(60.0, renew_every=0.01, request_timeout=30.0)


class SlowStore(MemoryStore):
    """
    A store whose reads or renewals hang when they are told to.
    """

    def __init__(self, lease: MemoryLease) -> None:
        super().__init__(lease)
        self.hangs_on = ""
        self.hanging = asyncio.Event()

    async def read(self) -> Stored | None:
        await self._hang("get")
        return await super().read()

    async def replace(self, over: Stored, record: Record) -> Stored:
        if record.holder and self.hangs_on == "get":
            raise LeaseConflictError("somebody edited a label")  # a GET follows
        if record.holder:
            await self._hang("update")
        return await super().replace(over, record)

    async def _hang(self, what: str) -> None:
        if self.hangs_on == what:
            self.hanging.set()
            await asyncio.Event().wait()


class Workload:
    """
    Is gone as soon as it is told to stop.
    """

    loop: ElectionLoop

    def start(self, grant: Grant, held: Held) -> None: ...

    def extend(self, grant: Grant) -> None: ...

    def stop(self, *, why: str, budget: float) -> None:
        self.loop.report(ev.WorkloadGone())


class Ear:
    def __init__(self) -> None:
        self.states: list[State] = []
        self.leads = asyncio.Event()

    def on_notice(self, notice: Notice) -> None:
        if isinstance(notice, StateChanged):
            self.states.append(notice.after)
            if notice.after is State.LEADING:
                self.leads.set()


@pytest.mark.parametrize(
    "hangs_on",
    [
        pytest.param("update", id="15 release on cancellation of update"),
        pytest.param("get", id="16 release on cancellation of get"),
    ],
)
async def test_15_16_a_stop_while_a_renewal_hangs_still_releases(hangs_on: str) -> None:
    lease, workload, ear = MemoryLease(), Workload(), Ear()
    store = SlowStore(lease)
    manager = RecordedLeaseManager(
        store, identity="a", clock=SystemClock(), lease_duration=60.0
    )
    workload.loop = loop = ElectionLoop(
        manager=manager,
        workload=workload,
        clock=SystemClock(),
        timing=lambda: TIMING,
        observers=(ear,),
    )
    running = asyncio.create_task(loop.run())
    await asyncio.wait_for(ear.leads.wait(), 20)
    store.hangs_on = hangs_on
    await asyncio.wait_for(store.hanging.wait(), 20)
    store.hangs_on = ""
    loop.report(ev.Stop())
    await asyncio.wait_for(running, 20)
    stored = lease.read()
    assert stored is not None
    assert (stored.record.holder, stored.record.released_by) == ("", "a")
    ended = [State.STOPPING, State.RELEASING, State.STOPPED]
    assert ear.states == [State.ACQUIRING, State.LEADING, *ended]


def test_17_a_good_configuration_is_accepted_and_an_empty_identity_is_not() -> None:
    """
    Only the prefix can be empty; that is refused, and the rest is always added.
    """
    Timing.derive(15.0, renew_deadline=10.0, retry_period=2.0)
    assert identity_prefix("pod-1") == "pod-1"
    with pytest.raises(ValueError, match="1 to 200"):
        identity_prefix("")
    with pytest.raises(SettingsError, match="renew_deadline"):
        Timing.derive(15.0, renew_deadline=15.0)
    with pytest.raises(SettingsError, match="retry_period"):
        Timing.derive(15.0, retry_period=0.0)


class _NoTimer:
    def arm(self, at: float) -> None: ...

    def disarm(self) -> None: ...


def test_20_who_leads_may_be_asked_from_any_thread_while_terms_come_and_go() -> None:
    """
    Python has no race detector: the threads change over as often as they can.
    """
    clock, terms, over = SystemClock(), list[Term](), threading.Event()
    wrong: list[str] = []
    workload = InProcessWorkload(
        identity="a",
        clock=clock,
        deliver=terms.append,
        report=lambda _: None,
        hard_stop=_NoTimer(),
        backoff=0.0,
    )

    def ask() -> None:
        while not over.is_set():
            term = terms[-1] if terms else None
            lost = term is not None and term.lost.is_set()
            if term is not None and lost and term.remaining() > 0.0:
                wrong.append("a lost term has time left")
            if workload.is_leader not in {True, False}:
                wrong.append("no answer")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for token in range(300):
            _one_term(workload, terms, TIMING.grant(token=token, sent=clock.now()))
            if workload.is_leader:
                wrong.append("it leads after its term")
    finally:
        over.set()
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()
    assert wrong == []
    assert len(terms) == 300


def _one_term(workload: InProcessWorkload, terms: list[Term], grant: Grant) -> None:
    workload.start(grant, Held(token=grant.token))
    assert workload.take(terms[-1])
    workload.extend(grant)
    workload.stop(why="test", budget=1.0)
    workload.leave(terms[-1])
