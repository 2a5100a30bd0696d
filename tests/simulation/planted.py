"""
Planted faults: the product or its guard with one rule broken at a time.

Each is a mistake that somebody could make, most of them made by another elector of
this field. The simulation has to find every one; which check finds it is said, so
that a planted fault is not found for a wrong reason.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from k8s_leader.election import events as ev
from k8s_leader.election import machine
from k8s_leader.election.events import Action, State
from k8s_leader.election.machine import Election
from k8s_leader.election.observation import (
    Kept,
    LossReason,
    Lost,
    Observation,
    Take,
)
from k8s_leader.election.record import Record, Stored, TermId, micro_time
from k8s_leader.election.record import release as free
from k8s_leader.election.record import renewal as renewed
from k8s_leader.election.timing import Timing
from k8s_leader.errors import LeaseConflictError, LeaseUnavailableError
from k8s_leader.guard.term import Term, Times
from k8s_leader.guard.workload import Workload
from k8s_leader.leases import recorded
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.runner.burial import GuardWatch
from k8s_leader.runner.loop import ElectionLoop
from tests.simulation.candidate import Candidate
from tests.simulation.network import SimStore
from tests.simulation.plan import Plan
from tests.simulation.server import Server
from tests.simulation.workload import SimTree
from tests.simulation.world import Machine

__all__ = ["PLANTED", "Planted"]

Patch = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """
    One planted fault.

    Attributes:
        name: the mistake.
        rule: the rule of the design that it breaks.
        found_by: names of the checks that may find it.
        themes: the schedules that are about it; others are not run for it.
        plant: applied while schedules run.
        plan: changes each plan, for mistakes that are settings.
    """

    name: str
    rule: str
    found_by: frozenset[str]
    themes: frozenset[str]
    plant: Patch
    plan: Callable[[Plan], Plan] = lambda plan: plan


PLANTED: list[Planted] = []


def _planted(
    rule: str, *, by: str, themes: str, plan: Callable[[Plan], Plan] | None = None
) -> Callable[[Callable[[], Iterator[Any]]], None]:
    """
    Put a planted fault into the table; its docstring is its name.
    """

    def take(plant: Callable[[], Iterator[Any]]) -> None:
        name = " ".join((plant.__doc__ or "").split()).rstrip(".")
        PLANTED.append(
            Planted(
                name=name,
                rule=rule,
                found_by=frozenset(by.split(", ")),
                themes=frozenset(themes.split(", ")),
                plant=contextmanager(plant),
                plan=plan or (lambda each: each),
            )
        )

    return take


def _handlers(event: type, handler: Callable[..., Any], *states: State) -> Any:
    rows = {
        (state, kind): handler
        for state, kind in machine._TABLE
        if kind is event and (not states or state in states)
    }
    return patch.dict(machine._TABLE, rows)


# -- S1, S2: clocks and deadlines --------------------------------------------------


@_planted("S1", by="S1, overlap", themes="partition, soup")
def _reply_time() -> Iterator[None]:
    """
    A grant counts from the reply, not from the request.
    """
    real = Election._renewed

    def late(self: Election, event: ev.Renewed, now: float) -> tuple[Action, ...]:
        return real(self, replace(event, sent=now), now)

    with _handlers(ev.Renewed, late):
        yield


@_planted("S1", by="S1, overlap, past grant", themes="wall")
def _wall_clock() -> Iterator[None]:
    """
    Deadlines are counted on the wall clock, which jumps.
    """
    start = 1_750_000_000.0

    def now(self: Machine) -> float:
        jumped = self.wall_offset - start
        return self.offset + self._scheduler.now * self.rate + jumped

    def true(self: Machine, instant: float) -> float:
        return (instant - (self.wall_offset - start) - self.offset) / self.rate

    with patch.object(Machine, "now", now), patch.object(Machine, "true", true):
        yield


def _without_margin(plan: Plan) -> Plan:
    length = plan.timing.lease_duration
    deadline = plan.timing.renew_deadline
    timing = Timing.derive(
        length, safety_margin=0.01, kill_time=length - deadline - 0.01
    )
    starters = tuple(replace(each, timing=None) for each in plan.starters)
    return replace(plan, timing=timing, starters=starters)


@_planted("S1", by="overlap", themes="partition", plan=_without_margin)
def _no_margin() -> Iterator[None]:
    """
    No margin is left for the pause and the drift that are tolerated.
    """
    yield


@_planted("S2", by="past grant, overlap", themes="partition, soup")
def _late_kill() -> Iterator[None]:
    """
    The guard kills when somebody tells it to, or seconds after the grant's end.
    """

    def hard_deadline(self: Term, *, kill_time: float) -> float:
        return min(self.kill_at, self.times.until + 3.0)

    def stop(self: Term, why: str, *, kill_at: float) -> bool:
        is_new = not self.stopping
        self.stopping = self.stopping or why
        if why != "the grant ends":
            self.kill_at = min(self.kill_at, kill_at)
        return is_new

    with (
        patch.object(Term, "hard_deadline", hard_deadline),
        patch.object(Term, "stop", stop),
    ):
        yield


@_planted("S2", by="S2", themes="partition, soup")
def _late_give_up() -> Iterator[None]:
    """
    Renewing is given up only when the grant ends.
    """
    real = Timing.grant

    def grant(self: Timing, *, token: int | None, sent: float) -> Any:
        made = real(self, token=token, sent=sent)
        return replace(made, stop_at=made.until)

    real_read = Times.read.__func__  # type: ignore[attr-defined]  # of the class

    def read(
        cls: type[Times], message: Any, *, timing: dict[str, float], now: float
    ) -> Times:
        loose = timing | {"renew_deadline": timing["lease_duration"]}
        found: Times = real_read(cls, message, timing=loose, now=now)
        return found

    with (
        patch.object(Timing, "grant", grant),
        patch.object(Times, "read", classmethod(read)),
    ):
        yield


# -- S3, S4, S5: the end of a term -------------------------------------------------


@_planted("S3", by="S3", themes="steal, blank, delete, bad peers")
def _ignored_holder() -> Iterator[None]:
    """
    Another holder in the record is ignored until the deadline, as client-go does.
    """
    with patch.object(recorded, "judge_own", lambda _, stored: Kept(duration=None)):
        yield


@_planted("S3", by="S3", themes="steal, blank, delete, bad peers")
def _grace() -> Iterator[None]:
    """
    A workload whose record is another's gets the time of a voluntary stop.
    """
    real = Election._lose

    def lose(self: Election, reason: LossReason, *, budget: float) -> Any:
        return real(self, reason, budget=self.timing.kill_time)

    with patch.object(Election, "_lose", lose):
        yield


@_planted("S4", by="S4", themes="stopping")
def _no_renewal_while_stopping() -> Iterator[None]:
    """
    A voluntary stop is not renewed, so that the deadline cuts it short.
    """
    real = Election._renew_if_due

    def renew_if_due(self: Election, now: float) -> Any:
        actions = real(self, now)
        if self.state is not State.STOPPING:
            return actions
        self._busy = False
        return tuple(each for each in actions if not isinstance(each, ev.Renew))

    def wake_later(self: Election, now: float) -> Any:
        self._next_try = max(self._next_try, now + 0.5)
        return renew_if_due(self, now)

    with patch.object(Election, "_renew_if_due", wake_later):
        yield


@_planted("S5", by="S5", themes="stopping, soup")
def _release_before_dead() -> Iterator[None]:
    """
    The lease is released as soon as the workload was told to stop.
    """

    def stop_workload(self: Election, why: str, now: float) -> Any:
        stop = ev.StopWorkload(why=why, budget=self.timing.stop_timeout)
        return (stop, *self._release(now))

    with patch.object(Election, "_stop_workload", stop_workload):
        yield


@_planted("S5", by="S5", themes="bad peers, steal, soup")
def _release_of_another() -> Iterator[None]:
    """
    Whatever the record says when it is read is released, as client-go does.
    """

    async def release(self: RecordedLeaseManager) -> None:
        await self._read()
        stored = self._seen.stored
        if stored is not None:
            await self._store.replace(
                stored, free(stored.record, wall=self._clock.wall())
            )

    with patch.object(RecordedLeaseManager, "release", release):
        yield


@_planted("S5", by="S5, S15", themes="stuck, partition, soup")
def _gone_before_reaped() -> Iterator[None]:
    """
    The guard reports a killed workload gone before it is reaped.
    """
    real = SimTree.kill

    def kill(self: SimTree, *, spare: Any = ()) -> None:
        real(self, spare=spare)
        self.leader = None

    with (
        patch.object(SimTree, "kill", kill),
        patch.object(SimTree, "is_empty", lambda self, **_: self.leader is None),
    ):
        yield


# -- S6, S7, S8: requests and the record -------------------------------------------


@_planted("S6", by="S6", themes="soup, labels")
def _retried_put() -> Iterator[None]:
    """
    The transport sends a write again whose answer was an error.
    """
    real = SimStore._write

    async def write(
        self: SimStore, over: Stored | None, record: Record, execute: Any
    ) -> Stored:
        try:
            return await real(self, over, record, execute)
        except LeaseUnavailableError:
            return await real(self, over, record, execute)

    with patch.object(SimStore, "_write", write):
        yield


@_planted("S6", by="overlap", themes="wall")
def _empty_renewal() -> Iterator[None]:
    """
    A write that changed nothing counts as a renewal, while the wall clock stands.
    """

    async def write_renewal(self: RecordedLeaseManager, duration: float) -> bool:
        over = self._seen.stored
        assert over is not None
        record = replace(
            over.record,
            renew_time=micro_time(self._clock.wall()),
            token=self._token,
        )
        try:
            written = await self._store.replace(over, record)
        except LeaseConflictError:
            return False
        self._saw(written)
        return True

    with patch.object(RecordedLeaseManager, "_write_renewal", write_renewal):
        yield


@_planted("S7", by="overlap", themes="wall")
def _renew_time_arithmetic() -> Iterator[None]:
    """
    Expiry is another machine's renewTime plus the duration, on one's own wall clock.
    """
    real = RecordedLeaseManager._decide

    def decide(self: RecordedLeaseManager) -> Any:
        stored = self._seen.stored
        if stored is not None and stored.record.holder and stored.record.renew_time:
            renewed = datetime.datetime.fromisoformat(stored.record.renew_time)
            duration = stored.record.duration or 0.0
            if renewed.timestamp() + duration < self._clock.wall():
                return Take(over=stored, why="its renewTime is long ago")
        return real(self)

    with patch.object(RecordedLeaseManager, "_decide", decide):
        yield


@_planted("S7", by="overlap", themes="shorten")
def _latest_duration() -> Iterator[None]:
    """
    The latest duration counts, not the largest that was seen.
    """

    def longest(self: Observation, stored: Stored | None) -> float:
        if stored is None:
            return 0.0
        return stored.record.duration or self.own_duration

    with patch.object(Observation, "_longest", longest):
        yield


@_planted("S7", by="overlap, S3", themes="soup, stopping, stuck, partition")
def _unconditional_write() -> Iterator[None]:
    """
    A write goes through whatever was written since the record was read.
    """
    real = Server.replace

    def put(self: Server, over: Stored, record: Record, by: str) -> Stored:
        present = self.stored
        if present is not None:
            over = replace(over, version=present.version, uid=present.uid)
        return real(self, over, record, by)

    with patch.object(Server, "replace", put):
        yield


@_planted("S7", by="S8", themes="labels")
def _cached_read() -> Iterator[None]:
    """
    Reads are answered from a cache (resourceVersion=0) that lags behind.
    """
    real = Server.read

    def read(self: Server) -> Stored | None:
        old = [each for each in self.commits if each.at < self._scheduler.now - 1.0]
        return old[-1].stored if old else real(self)

    with patch.object(Server, "read", read):
        yield


@_planted("S8", by="S8", themes="labels")
def _conflict_is_loss() -> Iterator[None]:
    """
    A conflict is taken for the loss of the lease.
    """

    async def read_own(self: RecordedLeaseManager) -> Lost:
        return Lost(reason=LossReason.STOLEN)

    with patch.object(RecordedLeaseManager, "_read_own", read_own):
        yield


@_planted("S8", by="S3", themes="steal, blank")
def _unwatched() -> Iterator[None]:
    """
    A leader does not watch its own Lease.
    """
    with patch.object(RecordedLeaseManager, "_changed_own", lambda _: None):
        yield


@_planted("S8", by="overlap", themes="shorten")
def _ignored_shortening() -> Iterator[None]:
    """
    A leader takes no note of a smaller duration in its record.
    """
    with _handlers(ev.LeaseShortened, Election._ignore):
        yield


@_planted("S8", by="S8", themes="shorten")
def _restored_grant() -> Iterator[None]:
    """
    A renewal that was sent before the record was shortened restores the grant.
    """

    def shortened(self: Election, event: ev.LeaseShortened, now: float) -> Any:
        grant = self._held()
        until = grant.sent + event.duration - self.timing.safety_margin
        until = min(grant.until, until)
        stop_at = min(grant.stop_at, until - self.timing.kill_time)
        self.grant = grant = replace(grant, until=until, stop_at=stop_at)
        self._next_try = now
        return (ev.ExtendGrant(grant=grant), *self._lead(now))

    with _handlers(ev.LeaseShortened, shortened, State.LEADING, State.STOPPING):
        yield


# -- S9, S11, S12: the guard, identities, free records -----------------------------


@_planted("S9", by="past grant, overlap", themes="partition, soup")
def _helpless_guard() -> Iterator[None]:
    """
    The guard stops the workload only when its elector says so.
    """

    def enforce(self: Workload, now: float) -> None:
        if self.term is not None and now >= self.term.kill_at:
            self._kill(self.term, now)

    with (
        patch.object(Workload, "enforce", enforce),
        patch.object(GuardWatch, "acknowledged", lambda *_: None),
    ):
        yield


@_planted("S11", by="overlap", themes="soup, partition")
def _prefix() -> Iterator[None]:
    """
    Identities are compared by their beginning.
    """
    real = Observation.decide

    def decide(
        self: Observation, *, identity: str, mine: TermId | None, now: float
    ) -> Any:
        stored = self.stored
        if stored is not None and stored.record.holder.startswith(identity):
            return Take(over=stored, why="it begins like ours")
        return real(self, identity=identity, mine=mine, now=now)

    with patch.object(Observation, "decide", decide):
        yield


@_planted("S12", by="overlap", themes="blank, delete")
def _unmarked() -> Iterator[None]:
    """
    A record that was blanked without a marker is taken at once.
    """

    def guard(self: Observation, *_: object, **__: object) -> Observation:
        return self

    with patch.object(Observation, "_guard", guard):
        yield


@_planted("S12", by="overlap", themes="blank")
def _unread_annotations() -> Iterator[None]:
    """
    A newcomer takes a blanked record without a look at its annotations.
    """

    def guard_unseen(self: Observation, *_: object, **__: object) -> Observation:
        return self

    with patch.object(Observation, "_guard_unseen", guard_unseen):
        yield


@_planted("S12", by="overlap", themes="no duration")
def _no_duration() -> Iterator[None]:
    """
    A holder whose duration is missing has expired, as in client-go.
    """
    real = Observation._longest

    def longest(self: Observation, stored: Stored | None) -> float:
        if stored is not None and stored.record.duration is None:
            return 0.0
        return real(self, stored)

    with patch.object(Observation, "_longest", longest):
        yield


# -- S15, S16, S17: terms ----------------------------------------------------------


@_planted("S15", by="S15", themes="partition, soup, stuck, steal")
def _hasty() -> Iterator[None]:
    """
    A candidate that lost campaigns again before its tree is gone.
    """

    def lose(self: Election, reason: LossReason, *, budget: float) -> Any:
        dropped = self._drop_request()
        stop = ev.StopWorkload(why=reason.value, budget=budget)
        return (stop, *dropped, *self._after_term(0.0))

    with ExitStack() as stack:
        stack.enter_context(patch.object(Election, "_lose", lose))
        quiet = {(state, ev.WorkloadGone): Election._ignore for state in State}
        kept = (State.LEADING, State.STOPPING)
        for state in kept:
            quiet.pop((state, ev.WorkloadGone))
        stack.enter_context(patch.dict(machine._TABLE, quiet))
        yield


@_planted("S15", by="second elector", themes="resume, soup")
def _second_elector() -> Iterator[None]:
    """
    A new elector is started while the old one lives.
    """

    def end_process(self: Candidate) -> None:
        self.elector = None

    with patch.object(Candidate, "end_process", end_process):
        yield


@_planted("S16", by="S3", themes="steal")
def _resumed_by_name() -> Iterator[None]:
    """
    A restarted elector goes on with any record that names it.
    """

    async def adopt(
        self: RecordedLeaseManager, term: TermId, *, token: int | None
    ) -> bool:
        await self._read()
        stored = self._seen.stored
        if stored is None or stored.record.holder != self.identity:
            return False
        self._term, self._token = self._term_of(stored.record, stored.uid), token
        return True

    with patch.object(RecordedLeaseManager, "adopt", adopt):
        yield


@_planted("S16", by="S3", themes="steal, bad peers, blank")
def _silent_second_term() -> Iterator[None]:
    """
    A lost lease is taken again and the workload is not told, as client-go does.
    """
    real = RecordedLeaseManager.renew

    async def renew(self: RecordedLeaseManager, *, duration: float) -> Any:
        result = await real(self, duration=duration)
        if isinstance(result, Lost):
            raise LeaseUnavailableError("try again")
        return result

    def changed_own(self: RecordedLeaseManager) -> None:
        stored = self._seen.stored
        if stored is not None and stored.record.is_free:
            self._term = None

    with (
        patch.object(RecordedLeaseManager, "renew", renew),
        patch.object(RecordedLeaseManager, "_changed_own", changed_own),
    ):
        yield


@_planted("S16", by="overlap", themes="roll back")
def _roll_back_unseen() -> Iterator[None]:
    """
    A store that was rolled back is believed.
    """

    def is_stale(self: Observation, stored: Stored | None) -> bool:
        return False

    def is_late(self: RecordedLeaseManager, sighting: Any) -> bool:
        return False

    with (
        patch.object(Observation, "is_stale", is_stale),
        patch.object(RecordedLeaseManager, "_is_late", is_late),
    ):
        yield


@_planted("S17", by="S17, fence", themes="delete")
def _transitions_as_token() -> Iterator[None]:
    """
    The fencing token is leaseTransitions, which a deletion resets.
    """
    with patch.object(
        recorded, "mint_token", lambda _, written: written.record.transitions + 1
    ):
        yield


@_planted("S6", by="peer overlap", themes="peers")
def _same_second() -> Iterator[None]:
    """
    A renewal moves renewTime within the same second, which client-go does not see.
    """

    def renewal(current: Record, **given: Any) -> Record:
        made = renewed(current, **given)
        last = current.renew_time or ""
        if last[:19] != micro_time(given["wall"])[:19]:
            return made
        return replace(made, renew_time=f"{last[:20]}{int(last[20:26]) + 1:06d}Z")

    with patch.object(recorded, "renewal", renewal):
        yield


# -- the guard's messages, and liveness --------------------------------------------


@_planted("S1", by="S1", themes="suspend, partition, soup")
def _stale_extend() -> Iterator[None]:
    """
    A guard that stood still counts a grant from when it reads of it.
    """

    def hear_extend(self: Workload, message: dict[str, Any], now: float) -> None:
        term = self.term
        if term is not None and message["token"] == term.token:
            ago = now - message["sent"]
            term.times = Times(
                sent=now, stop_at=message["stop_at"] + ago, until=message["until"] + ago
            )
            self._tell("ack", token=term.token, until=message["until"], now=now)

    with patch.object(Workload, "hear_extend", hear_extend):
        yield


@_planted("liveness", by="busy loop", themes="soup, partition")
def _no_backoff() -> Iterator[None]:
    """
    What failed is tried again at once.
    """
    real = ElectionLoop._retry_at

    def retry_at(self: ElectionLoop, exc: Any, pause: float | None = None) -> float:
        real(self, exc, pause)
        return self._clock.now()

    with patch.object(ElectionLoop, "_retry_at", retry_at):
        yield


@_planted("liveness", by="liveness", themes="soup, partition, blank")
def _no_alarm() -> Iterator[None]:
    """
    A standby waits for its watch alone and sleeps through the expiry.
    """

    def not_won(self: Election, event: ev.NotWon, now: float) -> Any:
        return self._back_to_standby(now if self._woken else machine._NEVER, now)

    with _handlers(ev.NotWon, not_won):
        yield
