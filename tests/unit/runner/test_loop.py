"""
The loop of one candidate over a lease that answers what the test says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from k8s_leader.clock import Clock, SystemClock
from k8s_leader.election import events as ev
from k8s_leader.election.events import State
from k8s_leader.election.grant import Grant
from k8s_leader.election.observation import LossReason, Lost
from k8s_leader.election.record import Record, TermId
from k8s_leader.election.timing import Timing
from k8s_leader.errors import (
    IllegalEventError,
    LeaseForbiddenError,
    LeaseUnavailableError,
)
from k8s_leader.leases.port import (
    Acquisition,
    Change,
    Held,
    Refused,
    Renewal,
    Shortened,
    Sighted,
    StillHeld,
)
from k8s_leader.observers.port import (
    GrantMoved,
    HolderSeen,
    Notice,
    PauseSeen,
    RecordSeen,
    RequestDone,
    StateChanged,
)
from k8s_leader.runner.loop import ElectionLoop
from k8s_leader.testing.clock import FakeClock

TIMING = Timing.derive(60.0, renew_every=0.01, retry_period=0.01, request_timeout=5.0)
HELD = Held(token=7, term=None)


class Lease:
    """
    Answers what was put in; without an answer the lease is ours and stays so.
    """

    identity = "a_1"
    holder = ""
    paused = False
    record: Record | None = None

    def __init__(self) -> None:
        self.answers: deque[Acquisition | Renewal | Exception] = deque()
        self.told: asyncio.Queue[Change | Exception] = asyncio.Queue()
        self.asked: list[str] = []
        self.on_ask: Callable[[], None] | None = None
        self.hang: asyncio.Event | None = None

    async def acquire(self, *, duration: float) -> Acquisition:
        answer = await self._ask("acquire") or HELD
        assert isinstance(answer, Held | Refused)
        return answer

    async def renew(self, *, duration: float) -> Renewal:
        answer = await self._ask("renew") or StillHeld()
        assert isinstance(answer, StillHeld | Lost)
        return answer

    async def release(self) -> None:
        await self._ask("release")

    async def adopt(self, term: TermId, *, token: int | None) -> bool:
        return True

    async def changes(self) -> AsyncIterator[Change]:
        while True:
            change = await self.told.get()
            if isinstance(change, Exception):
                raise change
            yield change

    async def close(self) -> None: ...

    async def _ask(self, what: str) -> Acquisition | Renewal | None:
        self.asked.append(what)
        if self.hang is not None:
            with contextlib.suppress(asyncio.CancelledError):  # as a bad manager does
                await self.hang.wait()
        answer = self.answers.popleft() if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


class Candidacy:
    """
    A loop, the workload that it commands, and the observer that it tells.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.lease = Lease()
        self.commands: list[str] = []
        self.notices: list[Notice] = []
        self.changed = asyncio.Event()
        self.obedient = True
        self.loop = ElectionLoop(
            manager=self.lease,
            workload=self,
            clock=clock or SystemClock(),
            timing=lambda: TIMING,
            observers=(self,),
        )

    def start(self, grant: Grant, held: Held) -> None:
        self.commands.append("start")

    def extend(self, grant: Grant) -> None:
        self.commands.append("extend")

    def stop(self, *, why: str, budget: float) -> None:
        self.commands.append(f"stop {why} {budget:g}")
        if self.obedient:  # gone at once, and said so before the command returns
            self.loop.report(ev.WorkloadGone())

    def on_notice(self, notice: Notice) -> None:
        self.notices.append(notice)
        self.changed.set()

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not what():
                self.changed.clear()
                await self.changed.wait()

    def reason(self, state: State) -> str:
        """
        Return why a state was entered.
        """
        changes = (n for n in self.notices if isinstance(n, StateChanged))
        return next(n.reason for n in changes if n.after is state)

    @property
    def states(self) -> list[State]:
        return [n.after for n in self.notices if isinstance(n, StateChanged)]

    def errors(self, operation: str) -> list[str | None]:
        return [
            n.error
            for n in self.notices
            if isinstance(n, RequestDone) and n.operation == operation
        ]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.loop.run())
        try:
            yield task
        finally:
            if not task.done():
                self.loop.report(ev.Stop())
                await asyncio.wait_for(task, 20)


@pytest.fixture
async def candidacy() -> Candidacy:
    return Candidacy()


async def test_a_workload_that_is_gone_at_once_is_released_and_the_end_comes(
    candidacy: Candidacy,
) -> None:
    async with candidacy.running() as task:
        await candidacy.until(lambda: State.LEADING in candidacy.states)
        candidacy.loop.report(ev.Stop(), reason="test")
        await task
    assert candidacy.commands[0] == "start"
    assert candidacy.commands[-1] == "stop stopping 25"
    assert candidacy.lease.asked[-1] == "release"
    assert candidacy.states[-3:] == [State.STOPPING, State.RELEASING, State.STOPPED]


async def test_observers_are_told_after_the_request_and_the_start_they_hear_of(
    candidacy: Candidacy,
) -> None:
    done: list[tuple[State, int, int]] = []

    def told(notice: Notice) -> None:
        if isinstance(notice, StateChanged):
            asked, commands = candidacy.lease.asked, candidacy.commands
            done.append((notice.after, len(asked), len(commands)))
        candidacy.notices.append(notice)
        candidacy.changed.set()

    candidacy.on_notice = told  # type: ignore[method-assign]  # it is told itself
    async with candidacy.running():
        await candidacy.until(lambda: State.LEADING in candidacy.states)
    (acquiring, asked, _), (leading, _, started) = done[:2]
    assert (acquiring, asked > 0) == (State.ACQUIRING, True)
    assert (leading, started > 0) == (State.LEADING, True)


async def test_s3_a_renewal_that_shows_another_holder_kills_without_grace(
    candidacy: Candidacy,
) -> None:
    candidacy.lease.answers += [HELD, Lost(reason=LossReason.STOLEN, holder="b_1")]
    async with candidacy.running():
        await candidacy.until(lambda: State.LOSING in candidacy.states)
    assert candidacy.commands[:2] == ["start", "stop stolen 0"]
    assert "release" not in candidacy.lease.asked[:3]
    assert candidacy.loop.holder in {"b_1", "a_1"}  # it may have come back meanwhile


async def test_each_change_is_told_with_its_own_reason() -> None:
    clock = FakeClock()
    candidacy = Candidacy(clock)
    async with candidacy.running():
        await candidacy.until(lambda: State.LEADING in candidacy.states)
        candidacy.lease.hang = asyncio.Event()
        clock.advance(TIMING.renew_deadline)
        candidacy.loop.report(ev.Tick())
        await candidacy.until(lambda: State.LOSING in candidacy.states)
        candidacy.lease.hang.set()
    assert candidacy.reason(State.LEADING) == "acquired"
    assert candidacy.reason(State.LOSING) == "deadline"


async def test_s4_a_leader_that_is_asked_to_leave_renews_on_until_it_is_gone(
    candidacy: Candidacy,
) -> None:
    candidacy.obedient = False
    candidacy.lease.answers += [HELD, StillHeld(leave="asked to step down")]
    async with candidacy.running():
        await candidacy.until(lambda: State.STOPPING in candidacy.states)
        renewed = candidacy.lease.asked.count("renew")
        await candidacy.until(lambda: candidacy.lease.asked.count("renew") > renewed)
        assert "release" not in candidacy.lease.asked
        candidacy.loop.report(ev.WorkloadGone())
        await candidacy.until(lambda: State.STANDBY in candidacy.states)
    stopped = "stop stepping down 25"
    assert [c for c in candidacy.commands if c.startswith("stop")] == [stopped]


async def test_a_pause_is_told_once_and_so_is_its_end(candidacy: Candidacy) -> None:
    async with candidacy.running():
        for paused in (True, False):
            candidacy.lease.paused = paused
            await candidacy.until(
                lambda: candidacy.loop.paused is candidacy.lease.paused
            )
            renewed = candidacy.lease.asked.count("renew")
            await candidacy.until(
                lambda: candidacy.lease.asked.count("renew") > renewed + 3  # noqa: B023  # awaited here
            )
    told = [n.paused for n in candidacy.notices if isinstance(n, PauseSeen)]
    assert told == [True, False]


async def test_what_the_record_says_is_told_when_it_changes_and_before_its_holder(
    candidacy: Candidacy,
) -> None:
    record = Record(holder="b", transitions=3, token=41, our_holder="b")
    candidacy.lease.record = record
    candidacy.lease.answers.append(Refused(holder="b"))
    async with candidacy.running():
        await candidacy.until(lambda: HolderSeen(holder="b") in candidacy.notices)
        candidacy.lease.record = replace(record, holder="", released_by="b")
        candidacy.lease.told.put_nowait(Sighted(holder="", try_now=False))
        await candidacy.until(lambda: HolderSeen(holder="") in candidacy.notices)
    told = [n for n in candidacy.notices if isinstance(n, RecordSeen | HolderSeen)]
    assert told[:4] == [
        RecordSeen(token=41, transitions=3),
        HolderSeen(holder="b"),
        RecordSeen(token=41, transitions=3, released_by="b"),
        HolderSeen(holder=""),
    ]


async def test_s8_a_record_that_was_shortened_shortens_the_grant(
    candidacy: Candidacy,
) -> None:
    async with candidacy.running():
        await candidacy.until(lambda: State.LEADING in candidacy.states)
        before = candidacy.loop.election.grant
        candidacy.lease.hang = asyncio.Event()  # no renewal writes it back
        candidacy.lease.told.put_nowait(Shortened(duration=30.0))
        await candidacy.until(
            lambda: (
                candidacy.loop.election.grant is not before
                and (grant := candidacy.loop.election.grant) is not None
                and grant.until - grant.sent < 30.0
            )
        )
        candidacy.lease.hang.set()
        candidacy.lease.hang = None


async def test_a_release_that_fails_is_tried_again(candidacy: Candidacy) -> None:
    async with candidacy.running() as task:
        await candidacy.until(lambda: State.LEADING in candidacy.states)
        candidacy.lease.answers.clear()
        candidacy.lease.hang = asyncio.Event()
        candidacy.loop.report(ev.Stop())  # drops a renewal that may be under way
        candidacy.lease.answers.append(LeaseUnavailableError("500"))
        candidacy.lease.hang.set()
        await task
    assert candidacy.errors("release") == ["LeaseUnavailableError", None]


async def test_s6_what_comes_after_it_was_dropped_is_not_heard_of_again(
    candidacy: Candidacy,
) -> None:
    """
    An acquisition that ignores its cancellation, and wins.
    """
    candidacy.lease.hang = asyncio.Event()
    async with candidacy.running() as task:
        await candidacy.until(lambda: State.ACQUIRING in candidacy.states)
        candidacy.loop.report(ev.Stop())
        await task
    assert candidacy.errors("acquire") == [None]  # it was answered
    assert candidacy.states == [State.ACQUIRING, State.STOPPED]
    assert candidacy.commands == []
    assert candidacy.loop.held is None


async def test_a_renewal_that_fails_is_tried_again(candidacy: Candidacy) -> None:
    candidacy.lease.answers += [HELD, LeaseUnavailableError("500"), TimeoutError()]
    async with candidacy.running():
        await candidacy.until(lambda: len(candidacy.errors("renew")) == 3)
    assert candidacy.errors("renew")[:3] == [
        "LeaseUnavailableError",
        "TimeoutError",
        None,
    ]


async def test_s16_a_term_that_runs_already_is_renewed_and_not_started_again(
    candidacy: Candidacy,
) -> None:
    grant = TIMING.grant(token=7, sent=SystemClock().now())
    resume = ev.Resume(grant=grant, timing=TIMING)
    running = asyncio.create_task(candidacy.loop.run(first=resume))
    await candidacy.until(lambda: candidacy.errors("renew"))
    candidacy.loop.report(ev.Stop())
    await asyncio.wait_for(running, 20)
    assert candidacy.notices[0] == GrantMoved(grant=grant)
    assert "start" not in candidacy.commands
    assert "acquire" not in candidacy.lease.asked


async def test_the_store_is_given_the_pause_that_it_asks_for(
    candidacy: Candidacy,
) -> None:
    candidacy.lease.answers.append(LeaseUnavailableError("429", retry_after=0.2))
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with candidacy.running():
        await candidacy.until(lambda: State.LEADING in candidacy.states)
    assert loop.time() - started >= 0.2


async def test_a_right_that_is_missing_from_the_start_ends_the_candidacy() -> None:
    short = Timing.derive(
        7.0,
        renew_deadline=0.2,
        renew_every=0.02,
        retry_period=0.02,
        request_timeout=0.1,
    )
    candidacy = Candidacy()
    candidacy.loop.election.timing = short
    candidacy.lease.answers += [LeaseForbiddenError("no", rule="- get")] * 500
    with pytest.raises(LeaseForbiddenError, match="- get"):
        await asyncio.wait_for(candidacy.loop.run(), 20)
    assert candidacy.commands == []


async def test_a_watch_that_breaks_ends_the_loop_and_kills_the_workload(
    candidacy: Candidacy,
) -> None:
    candidacy.obedient = False
    async with candidacy.running() as task:
        await candidacy.until(lambda: State.LEADING in candidacy.states)
        candidacy.lease.told.put_nowait(ZeroDivisionError("a mistake"))
        with pytest.raises(ZeroDivisionError):
            await task
    assert candidacy.commands[-1] == "stop internal error 0"


async def test_an_impossible_event_ends_the_loop_and_kills_the_workload(
    candidacy: Candidacy,
) -> None:
    candidacy.obedient = False
    async with candidacy.running() as task:
        await candidacy.until(lambda: State.LEADING in candidacy.states)
        with pytest.raises(IllegalEventError):
            candidacy.loop.report(ev.Start())
        with pytest.raises(IllegalEventError):  # again: the first fault is the one
            candidacy.loop.report(ev.Released())
        with pytest.raises(IllegalEventError, match="Start in state"):
            await task
    kills = [c for c in candidacy.commands if c == "stop internal error 0"]
    assert len(kills) == 1


async def test_a_fault_on_standby_stops_no_workload(candidacy: Candidacy) -> None:
    candidacy.lease.answers.append(Refused(retry_at=None, holder="b_1"))
    async with candidacy.running() as task:
        await candidacy.until(lambda: State.STANDBY in candidacy.states)
        candidacy.lease.told.put_nowait(ZeroDivisionError("a mistake"))
        with pytest.raises(ZeroDivisionError):
            await task
    assert candidacy.commands == []


async def test_after_a_fault_nothing_is_listened_to_any_more(
    candidacy: Candidacy,
) -> None:
    async with candidacy.running() as task:
        await candidacy.until(lambda: State.LEADING in candidacy.states)
        with pytest.raises(IllegalEventError):
            candidacy.loop.report(ev.Start())
        with pytest.raises(IllegalEventError):
            await task
    asked, tasks = len(candidacy.lease.asked), asyncio.all_tasks()
    candidacy.loop.report(ev.Tick())
    candidacy.loop.report(ev.Wake())
    assert asyncio.all_tasks() == tasks
    assert len(candidacy.lease.asked) == asked


async def test_who_lost_race_after_race_waits_for_its_turn(
    candidacy: Candidacy,
) -> None:
    candidacy.lease.answers.extend([Refused(beaten=True, holder="b_1")] * 3)
    wake = Sighted(holder="", try_now=True)
    async with candidacy.running():
        for races in range(1, 3):
            await candidacy.until(lambda: len(candidacy.lease.asked) == races)  # noqa: B023  # awaited here
            candidacy.lease.told.put_nowait(wake)
        await candidacy.until(lambda: len(candidacy.lease.asked) == 3)
        begun = asyncio.get_running_loop().time()
        candidacy.lease.told.put_nowait(wake)
        await candidacy.until(lambda: len(candidacy.lease.asked) > 3)
        assert asyncio.get_running_loop().time() - begun >= 0.02
