"""
One term after the other: S15, S16, S17.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from k8s_leader.election import events as ev
from k8s_leader.election import machine
from k8s_leader.election.events import State
from k8s_leader.election.machine import Election
from k8s_leader.election.observation import (
    LossReason,
    Lost,
    Observation,
)
from k8s_leader.election.record import Record, Stored, TermId, micro_time
from k8s_leader.election.record import renewal as renewed
from k8s_leader.errors import LeaseUnavailableError
from k8s_leader.leases import recorded
from k8s_leader.leases.port import Held, StillHeld
from k8s_leader.leases.recorded import RecordedLeaseManager
from tests.simulation.candidate import Candidate
from tests.simulation.plan import Fault, Plan
from tests.simulation.planted.table import planted


@planted("S15", by="S15", themes="partition, soup, stuck, steal")
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


@planted("S15", by="second elector", themes="resume, soup")
def _second_elector() -> Iterator[None]:
    """
    A new elector is started while the old one lives.
    """

    def end_process(self: Candidate) -> None:
        self.elector = None

    with patch.object(Candidate, "end_process", end_process):
        yield


@planted("S16", by="S3", themes="steal")
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


@planted("S16", by="false alarm", themes="soup, orders, labels")
def _overtaken_answer() -> Iterator[None]:
    """
    An answer that the watch overtook is taken for a store that was rolled back.
    """

    async def read(self: RecordedLeaseManager) -> bool:
        stored = await self._store.read()
        now = self._read_at = self._clock.now()
        self._outdated = False
        if self._seen.is_stale(stored):
            self._seen = self._seen.roll_back(stored, at=now)
            return True
        self._see(stored, at=now)
        return False

    with patch.object(RecordedLeaseManager, "_read", read):
        yield


@planted("S16", by="S15", themes="blank, bad peers")
def _silent_second_term() -> Iterator[None]:
    """
    A lost lease is taken again and the workload is not told, as client-go does.
    """
    real = RecordedLeaseManager.renew

    async def renew(self: RecordedLeaseManager, *, duration: float) -> Any:
        result = await real(self, duration=duration)
        if not isinstance(result, Lost):
            return result
        if isinstance(await self.acquire(duration=duration), Held):
            return StillHeld()
        raise LeaseUnavailableError("try again")

    def unnoticed(_: RecordedLeaseManager) -> None:
        return

    with (
        patch.object(RecordedLeaseManager, "renew", renew),
        patch.object(RecordedLeaseManager, "_changed_own", unnoticed),
    ):
        yield


@planted("S16", by="overlap", themes="roll back")
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


@planted("S17", by="S17, fence", themes="delete")
def _transitions_as_token() -> Iterator[None]:
    """
    The fencing token is leaseTransitions, which a deletion resets.
    """
    with patch.object(
        recorded, "mint_token", lambda _, written: written.record.transitions + 1
    ):
        yield


def _clock_stands(plan: Plan) -> Plan:
    stands = Fault(kind="wall_stands", at=3.0, until=3.0 * plan.timing.lease_duration)
    return replace(plan, faults=(*plan.faults, stands))


@planted("S6", by="peer overlap", themes="peers", plan=_clock_stands)
def _two_seconds_in_turn() -> Iterator[None]:
    """
    While the wall clock stands, renewTime goes one second ahead and back again.

    Who looks at every second renewal sees none (found by a long run, at b44fff3).
    """

    def renewal(current: Record, **given: Any) -> Record:
        made = renewed(current, **given)
        ahead = micro_time(given["wall"] + 1.0)
        if (current.renew_time or "")[:19] == ahead[:19]:
            return replace(made, renew_time=micro_time(given["wall"]))
        return made

    with patch.object(recorded, "renewal", renewal):
        yield


@planted("S6", by="peer overlap", themes="peers")
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
