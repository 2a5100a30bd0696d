"""
A lease manager over any store that keeps a record.

This is the one implementation that Kubernetes, SQLite and memory share: it feeds the
pure observation rule with what it reads and watches, and turns the verdict into one
compare-and-swap. It holds no timer and starts no task.

Guarantees: a lease is written only over a state that the rule judged (S7, S12), a
conflict is read again and decided anew (S8), a write that changed nothing is no
renewal (S6), a release touches only the very term's record (S5). Not guaranteed: that
a write whose answer never came did not land; the rule copes with both.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace

from k8s_leader.clock import Clock
from k8s_leader.election.observation import (
    Kept,
    LossReason,
    Lost,
    Observation,
    Take,
    Unwanted,
    Wait,
    judge_own,
    mint_token,
)
from k8s_leader.election.orders import is_paused
from k8s_leader.election.record import (
    Record,
    Stored,
    TermId,
    claim,
    release,
    renewal,
)
from k8s_leader.errors import (
    LeaseConflictError,
    LeaseError,
    LeaseNotFoundError,
    LeaseUnavailableError,
)
from k8s_leader.leases.complaints import Complaints
from k8s_leader.leases.port import (
    Acquisition,
    Change,
    Held,
    RecordStore,
    Refused,
    Renewal,
    Shortened,
    Sighted,
    Sighting,
    StillHeld,
    closing,
)

__all__ = ["RecordedLeaseManager"]

_logger = logging.getLogger(__name__)

CHECK_EVERY = 55.0
"""A standby reads at least this often: a warm connection, and the watch is checked."""

POLL_EVERY = 2.0
"""A standby whose watch is broken reads this often (seconds, before jitter)."""

_TRIES = 4
"""How often one call reads again after conflicts before it reports a failure."""

_CLAIMS = 8
"""How many own writes without an answer are remembered."""

_MISSING = "the Lease does not exist, and lease-create is off"


class RecordedLeaseManager:
    """
    The lease manager for everything that keeps a record.

    Args:
        store: where the record is.
        identity: the candidate; unique for this process start (S11).
        clock: boot-time and wall clock.
        lease_duration: seconds that count where a record does not say (S12).
        may_create: whether a missing lease is made; the chart's never is.
        patience: seconds for which a lease that may be taken is left to others.
        make_again: how a person makes the missing lease, for the log.
    """

    def __init__(
        self,
        store: RecordStore,
        *,
        identity: str,
        clock: Clock,
        lease_duration: float,
        may_create: bool = True,
        patience: float = 0.0,
        make_again: str = "make it",
    ) -> None:
        self._store = store
        self._identity = identity
        self._clock = clock
        self._may_create = may_create
        self._patience = patience
        self._make_again = make_again
        self._told_missing = False
        self._complaints = Complaints(identity=identity)
        self._seen = Observation(own_duration=lease_duration)
        self._lock = asyncio.Lock()
        self._watching = False
        self._told_version = 0  # of the latest event of the watch
        self._untold: Observation | None = None  # before events that are superseded
        self._outdated = False  # a write of ours met a newer state, or no answer
        self._read_at = self._renewed_at = float("-inf")
        self._claims: deque[TermId] = deque(maxlen=_CLAIMS)
        self._term: TermId | None = None
        self._token: int | None = None
        self._duration = lease_duration

    @property
    def identity(self) -> str:
        """
        Return the candidate this manager acts for.
        """
        return self._identity

    @property
    def record(self) -> Record | None:
        """
        Return the record as it was last seen; ``None``: there is none.
        """
        stored = self._seen.stored
        return None if stored is None else stored.record

    @property
    def holder(self) -> str:
        """
        Return who holds the lease as far as it was seen; ``""`` for nobody.
        """
        return "" if self.record is None else self.record.holder

    @property
    def uid(self) -> str:
        """
        Return the uid of the lease as it was last seen; ``""`` if it was not.
        """
        stored = self._seen.stored
        return "" if stored is None else stored.uid

    @property
    def paused(self) -> bool:
        """
        Tell whether the record was last seen to ask that everybody stays put.
        """
        return self.record is not None and is_paused(self.record)

    async def acquire(self, *, duration: float) -> Acquisition:
        """
        Take the lease if the observation rule allows it now.
        """
        async with self._lock:
            self._term = None
            self._duration = duration
            if self._needs_reading():
                await self._read()
            verdict = self._decide()
            if isinstance(verdict, Wait):
                return self._refused(verdict)
            return await self._take(verdict, duration)

    async def renew(self, *, duration: float) -> Renewal:
        """
        Write a newer renewTime, with the token; read again on conflict (S8).
        """
        async with self._lock:
            self._duration = duration
            for _ in range(_TRIES):
                verdict = self._judge()
                if not isinstance(verdict, Kept):
                    return verdict
                if await self._write_renewal(duration):
                    return StillHeld(leave=verdict.leave)
                if (lost := await self._read_own()) is not None:
                    return lost
            raise LeaseUnavailableError("the record kept changing while renewing it")

    async def release(self) -> None:
        """
        Free the record, with the marker, if it is this term's (S5); never delete it.
        """
        async with self._lock:
            for _ in range(_TRIES):
                stored = self._seen.stored
                if stored is None or self._term is None:
                    return
                if not self._term.is_in(stored):
                    return
                if await self._write_release(stored):
                    return
                await self._read()
            raise LeaseUnavailableError("the record kept changing while releasing it")

    async def adopt(self, term: TermId, *, token: int | None) -> bool:
        """
        Continue a running term if the record agrees in everything (S16).
        """
        async with self._lock:
            await self._read()
            stored = self._seen.stored
            if stored is None or not term.uid or not term.is_in(stored):
                return False
            published = stored.record.token
            if published is not None and token is not None and published > token:
                return False
            self._term, self._token = term, token
            self._claims.append(term)
            return True

    async def changes(self) -> AsyncIterator[Change]:
        """
        Yield what the watch shows, judged; a leader's own Lease too (S8).
        """
        async with closing(self._store.watch()) as sightings:
            async for sighting in sightings:
                self._watching = not sighting.blind
                change = await self._sight(sighting)
                if change is not None:
                    yield change

    async def close(self) -> None:
        """
        Close the store.
        """
        await self._store.close()

    # -- taking ------------------------------------------------------------------

    def _needs_reading(self) -> bool:
        if self._outdated or not (self._seen.looked and self._watching):
            return True
        return self._clock.now() - self._read_at >= CHECK_EVERY

    def _decide(self) -> Take | Wait:
        stored = self._seen.stored
        mine = self._claim_in(stored)
        now = self._clock.now()
        verdict = self._seen.decide(
            identity=self._identity, mine=mine, now=now, patience=self._patience
        )
        if isinstance(verdict, Take) and verdict.over is None and not self._may_create:
            self._tell_missing()
            return Wait(until=None, why=_MISSING)
        if stored is not None:
            self._told_missing = False
        return verdict

    def _tell_missing(self) -> None:
        if not self._told_missing:
            self._told_missing = True
            _logger.warning(
                "%s: nobody can lead until somebody makes it. Fix: %s",
                _MISSING,
                self._make_again,
            )

    def _claim_in(self, stored: Stored | None) -> TermId | None:
        return next((term for term in self._claims if term.is_in(stored)), None)

    def _refused(self, verdict: Wait) -> Refused:
        until = verdict.until
        if not self._watching:
            poll = self._clock.now() + POLL_EVERY
            until = poll if until is None else min(until, poll)
        return Refused(retry_at=until, why=verdict.why, holder=verdict.holder)

    async def _take(self, verdict: Take, duration: float) -> Acquisition:
        over = verdict.over
        record = claim(
            None if over is None else over.record,
            identity=self._identity,
            duration=duration,
            wall=self._clock.wall(),
        )
        # Remembered before it is sent: its answer may never come (S6).
        self._claims.append(self._term_of(record, "" if over is None else over.uid))
        before = self._seen
        try:
            written = await self._write(over, record)
        except (LeaseConflictError, LeaseNotFoundError):
            return self._lost_race(over)
        self._saw(written)
        self._term = self._term_of(record, written.uid)
        self._token = mint_token(before, written)
        if isinstance(self._judge(), Lost):  # the watch was faster: gone already
            self._term = None
            return self._lost_race(written)
        _logger.debug("took the lease: %s", verdict.why)
        return Held(token=self._token, term=self._term)

    def _lost_race(self, over: Stored | None) -> Refused:
        """
        Somebody wrote first; the watch will show who, otherwise the next try reads.

        Where it was faster than the answer, what it showed is the reason, and hundreds
        that lost need not read it once more.
        """
        verdict = self._decide()
        shown = over is not None and self._seen.highest_version > (over.version or 0)
        if shown and self._watching and isinstance(verdict, Wait):
            self._outdated = False
            return replace(self._refused(verdict), beaten=True)
        self._outdated = True
        soon = self._clock.now() + POLL_EVERY / 4
        return Refused(retry_at=soon, why="lost the race", beaten=True)

    async def _write(self, over: Stored | None, record: Record) -> Stored:
        # Who got no answer reads before it takes again: the store may have been rolled
        # back meanwhile, and may have come to the very version that we know (S16).
        self._outdated = True
        if over is None:
            written = await self._store.create(record)
        else:
            written = await self._store.replace(over, record)
        self._outdated = False
        return written

    def _term_of(self, record: Record, uid: str) -> TermId:
        return TermId(
            identity=self._identity,
            uid=uid,
            acquire_time=record.acquire_time or "",
            transitions=record.transitions,
        )

    # -- holding -----------------------------------------------------------------

    def _judge(self) -> Kept | Unwanted | Lost:
        if self._term is None:
            return Lost(reason=LossReason.REFUSED)
        return judge_own(self._term, self._seen.stored)

    async def _write_renewal(self, duration: float) -> bool:
        over = self._seen.stored
        assert over is not None  # noqa: S101  # _judge saw our record
        now = self._clock.now()
        record = renewal(
            over.record,
            duration=duration,
            wall=self._clock.wall(),
            token=self._token,
            elapsed=now - self._renewed_at,
        )
        try:
            written = await self._write(over, record)
        except (LeaseConflictError, LeaseNotFoundError):
            return False
        if written.version is not None and written.version == over.version:
            raise LeaseUnavailableError("the store confirmed a write but kept the old")
        self._renewed_at = now
        self._saw(written)
        return True

    async def _write_release(self, stored: Stored) -> bool:
        record = release(stored.record, wall=self._clock.wall(), token=self._token)
        try:
            written = await self._store.replace(stored, record)
        except (LeaseConflictError, LeaseNotFoundError):
            return False
        self._term = None
        self._claims.clear()
        self._saw(written)
        return True

    # -- seeing ------------------------------------------------------------------

    async def _read(self) -> bool:
        """
        Read the truth; return whether the store turned out to be rolled back (S16).

        Only what was seen before the read was sent can show that: meanwhile the watch
        may overtake the answer.
        """
        before = self._seen
        stored = await self._store.read()
        now = self._clock.now()
        self._read_at = now
        self._outdated = False
        if before.is_stale(stored):
            _logger.error("the store of the lease was rolled back: waiting")
            self._seen = self._seen.roll_back(stored, at=now)
            self._claims.clear()
            return True
        self._saw(stored)
        return False

    async def _read_own(self) -> Lost | None:
        if await self._read():
            return Lost(reason=LossReason.ROLLED_BACK)
        return None

    def _saw(self, stored: Stored | None) -> None:
        if self._seen.is_stale(stored):
            return  # the watch told of a later write before this was answered
        self._see(stored, at=self._clock.now())

    def _see(self, stored: Stored | None, *, at: float) -> None:
        self._seen = self._seen.observe(stored, at=at)
        self._complaints.look_at(stored, ours=self._duration)

    async def _sight(self, sighting: Sighting) -> Change | None:
        if sighting.blind:
            return None if self._term else Sighted(holder=self.holder, try_now=True)
        if self._went_back(sighting.version):
            return await self._confirm()
        is_late = self._is_late(sighting)
        if is_late and self._untold is None:
            return None  # an echo, or a stalled watch: what is newer was seen already
        if self._term is not None and sighting.stored is None and not is_late:
            return await self._confirm()  # deletion loses the term: ask the truth
        before = self._untold or self._seen
        if not is_late:
            self._take_in(sighting)
        if sighting.superseded and self._term is None:
            self._untold = before  # told of with what follows, and not acted on
            return None
        return self._changed(before)

    def _take_in(self, sighting: Sighting) -> None:
        self._outdated = False
        self._saw(sighting.stored)
        if sighting.checked:
            self._read_at = self._clock.now()

    def _is_late(self, sighting: Sighting) -> bool:
        version = sighting.version
        return version is not None and version < self._seen.highest_version

    def _went_back(self, version: int | None) -> bool:
        """
        Tell whether the watch contradicts itself: it tells in order, however late.
        """
        if version is None:
            return False
        before, self._told_version = self._told_version, version
        return version < before

    async def _confirm(self) -> Change | None:
        """
        Settle by a quorum read whether a strange event is the truth (S16).
        """
        async with self._lock:
            before = self._untold or self._seen
            try:
                rolled_back = await self._read()
            except LeaseError:
                return None  # the next read or event will tell
            if rolled_back and self._term is not None:
                return Lost(reason=LossReason.ROLLED_BACK)
            return self._changed(before)

    def _changed(self, before: Observation) -> Change | None:
        self._untold = None
        ordered = not before.shows_orders(self._seen.stored)
        if self._term is not None:
            told = Sighted(holder=self.holder, try_now=False) if ordered else None
            return self._changed_own() or told
        if before.shows(self._seen.stored) and not ordered:
            return None
        if self._claim_in(self._seen.stored) is not None:
            # The echo of a write whose answer failed, or is on its way: to try again
            # at once would be a hot loop, where all answers fail. The retry comes.
            return Sighted(holder=self.holder, try_now=False)
        sooner = self._seen.expires_at() < before.expires_at()
        try_now = sooner or ordered or isinstance(self._decide(), Take)
        return Sighted(holder=self.holder, try_now=try_now)

    def _changed_own(self) -> Change | None:
        verdict = self._judge()
        if not isinstance(verdict, Kept):
            return verdict
        duration = verdict.duration
        if duration is not None and duration < self._duration:
            return Shortened(duration=duration)
        return Unwanted(why=verdict.leave) if verdict.leave else None
