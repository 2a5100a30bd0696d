"""
Requests and the record: S6, S7, S8.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from k8s_leader.election import events as ev
from k8s_leader.election.events import State
from k8s_leader.election.machine import Election
from k8s_leader.election.observation import (
    Kept,
    LossReason,
    Lost,
    Observation,
    Take,
)
from k8s_leader.election.record import Record, Stored, TermId, micro_time
from k8s_leader.errors import LeaseConflictError, LeaseUnavailableError
from k8s_leader.leases.recorded import RecordedLeaseManager
from tests.simulation.network import SimStore
from tests.simulation.plan import Plan
from tests.simulation.planted.table import handlers, planted
from tests.simulation.server import Server


@planted("S6", by="S6", themes="soup, labels")
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


@planted("S6", by="overlap", themes="wall")
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


@planted("S7", by="overlap", themes="wall")
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


@planted("S7", by="overlap", themes="shorten")
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


@planted("S7", by="overlap, S3", themes="soup, stopping, stuck, partition")
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


def _without_cuts(plan: Plan) -> Plan:
    faults = tuple(fault for fault in plan.faults if fault.kind != "cut")
    return replace(plan, faults=faults)


@planted("S8", by="overlap bound", themes="delete", plan=_without_cuts)
def _whoever_holds_it() -> Iterator[None]:
    """
    A renewal does not look at whom the record names.
    """

    def keep(_: TermId, stored: Stored | None) -> Kept | Lost:
        if stored is None:
            return Lost(reason=LossReason.DELETED)
        return Kept(duration=stored.record.duration)

    with patch("k8s_leader.leases.recorded.judge_own", keep):
        yield


@planted("S7", by="S8", themes="labels")
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


@planted("S8", by="S8", themes="labels")
def _conflict_is_loss() -> Iterator[None]:
    """
    A conflict is taken for the loss of the lease.
    """

    async def read_own(self: RecordedLeaseManager) -> Lost:
        return Lost(reason=LossReason.STOLEN)

    with patch.object(RecordedLeaseManager, "_read_own", read_own):
        yield


@planted("S8", by="S3", themes="steal, blank")
def _unwatched() -> Iterator[None]:
    """
    A leader does not watch its own Lease.
    """
    with patch.object(RecordedLeaseManager, "_changed_own", lambda _: None):
        yield


@planted("S8", by="overlap", themes="shorten")
def _ignored_shortening() -> Iterator[None]:
    """
    A leader takes no note of a smaller duration in its record.
    """
    with handlers(ev.LeaseShortened, Election._ignore):
        yield


@planted("S8", by="S8", themes="shorten")
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

    with handlers(ev.LeaseShortened, shortened, State.LEADING, State.STOPPING):
        yield
