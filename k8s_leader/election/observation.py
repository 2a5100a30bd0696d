"""
The observation rule: may an observed record be taken, and is it still our own?

A follower judges by its own boot-time clock, counted from when it *saw* the record
change, by the largest duration it saw since the holder last changed (rule S7); never
by arithmetic on somebody's timestamps. It takes a free record at once only if that is
safe (S12), and after the store was rolled back it waits (S16).

All functions are pure: an ``Observation`` is a value, ``observe`` returns the next.
"""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum

from k8s_leader.election.orders import LEFT_FOR, is_paused, left_to, names, why_leave
from k8s_leader.election.record import Record, Stored, TermId
from k8s_leader.values import dataclass

__all__ = [
    "Kept",
    "LossReason",
    "Lost",
    "Observation",
    "Take",
    "Unwanted",
    "Verdict",
    "Wait",
    "judge_own",
    "mint_token",
]


class LossReason(StrEnum):
    """
    Why a term ended against its holder's will.
    """

    DEADLINE = "deadline"
    STOLEN = "stolen"
    BLANKED = "blanked"
    DELETED = "deleted"
    EDITED = "edited"
    ROLLED_BACK = "rolled-back"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """
    The lease may be taken now: replace ``over``, or create it when that is ``None``.
    """

    over: Stored | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """
    The lease may not be taken before ``until``.

    Boot-time seconds; ``None``: never by waiting alone, something has to change first.
    """

    until: float | None
    why: str
    holder: str = ""


Verdict = Take | Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """
    The record is still our term's, and protects it for ``duration`` seconds.

    ``leave``: why somebody asks this term to end voluntarily (S4); ``""``: nobody does.
    """

    duration: float | None
    leave: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwanted:
    """
    The record is ours, but a coordinator wants another holder: step down.
    """

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """
    The record is not our term's any more.
    """

    reason: LossReason
    holder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """
    What one candidate has seen of one lease, and when, on its own clock.

    Attributes:
        own_duration: the candidate's own lease duration in seconds; it counts where
            the record says none.
        looked: whether the lease was looked at at all.
        stored: the latest state; ``None`` when there is no such lease.
        changed_at: when the latest change of its spec was seen.
        longest: the largest duration since holder or acquireTime last changed.
        guarded: identity of a holder of ours that vanished without a marker, or that
            a foreigner displaced before its time.
        guarded_until: until when that holder may still be working (S12).
        highest_version: the highest version of the store ever seen.
        highest_token: the highest fencing token ever seen.
        rolled_back_until: until when nobody may take a rolled-back store (S16).
        ordered_at: when the orders of people were first seen as they are now.
    """

    own_duration: float
    looked: bool = False
    stored: Stored | None = None
    changed_at: float = 0.0
    longest: float = 0.0
    guarded: str = ""
    guarded_until: float = 0.0
    highest_version: int = 0
    highest_token: int = 0
    rolled_back_until: float = 0.0
    ordered_at: float = 0.0

    def is_stale(self, stored: Stored | None) -> bool:
        """
        Tell whether a state is older than one already seen.

        From a watch that only means a late event; from a quorum read it means that
        the store was rolled back (S16).
        """
        version = None if stored is None else stored.version
        return version is not None and version < self.highest_version

    def shows(self, stored: Stored | None) -> bool:
        """
        Tell whether ``stored`` is nothing new to a follower.
        """
        return self.looked and _spec(self.stored) == _spec(stored)

    def shows_orders(self, stored: Stored | None) -> bool:
        """
        Tell whether people ask for nothing new in ``stored``.
        """
        return _orders(self.stored) == _orders(stored)

    def observe(self, stored: Stored | None, *, at: float) -> Observation:
        """
        Return the observation after ``stored`` was seen at ``at``.

        Args:
            stored: the state, by a quorum read or a watch event that is not stale.
            at: boot-time seconds when it had arrived: later is the safe side.
        """
        seen = self._remember(stored)
        if not self.shows_orders(stored):
            seen = replace(seen, ordered_at=at)
        if self.shows(stored):
            return replace(seen, stored=stored)
        return replace(
            seen._guard(self, stored, at=at),  # noqa: SLF001  # of this very class
            looked=True,
            stored=stored,
            changed_at=at,
            longest=self._longest(stored),
        )

    def roll_back(self, stored: Stored | None, *, at: float) -> Observation:
        """
        Return the observation after a quorum read showed an older store (S16).

        Everybody waits one lease duration: a holder that the lost writes named may
        still be working.
        """
        wait = max(self.own_duration, self.longest)
        fresh = Observation(
            own_duration=self.own_duration,
            highest_token=self.highest_token,
            rolled_back_until=at + wait,
        )
        return fresh.observe(stored, at=at)

    def expires_at(self) -> float:
        """
        Return when the observed holder's protection ends, in boot-time seconds.
        """
        return self.changed_at + self.longest

    def decide(
        self,
        *,
        identity: str,
        mine: TermId | None,
        now: float,
        patience: float = 0.0,
    ) -> Verdict:
        """
        Say whether ``identity`` may take the lease at ``now``.

        Args:
            identity: the candidate; it runs no workload at this moment (S15).
            mine: the last term this candidate wrote itself into the record for, if
                it was not released; nothing of it runs any more.
            now: boot-time seconds.
            patience: seconds for which the candidate leaves to others what it may
                take, unless a switchover names it; ``inf``: for ever.

        Orders of people and patience can only turn ``Take`` into ``Wait``, never the
        other way.
        """
        verdict = self._decide_alone(identity, mine, now)
        if isinstance(verdict, Wait):
            return verdict
        held_back = self._held_back(identity, now)
        if held_back is None and patience and not self._is_mine(mine):
            held_back = self._patient(identity, now, patience)
        return held_back or verdict

    def _held_back(self, identity: str, now: float) -> Wait | None:
        """
        Return for what an order makes a candidate wait that might take the lease.
        """
        if self.stored is None:
            return None
        if is_paused(self.stored.record):
            return Wait(until=None, why="paused")
        target = left_to(self.stored.record)
        until = max(self.changed_at, self.ordered_at) + LEFT_FOR
        if not target or names(target, identity) or now >= until:
            return None
        return Wait(until=until, why=f"it is left to {target}")

    def _patient(self, identity: str, now: float, patience: float) -> Wait | None:
        """
        Return for how long a candidate of lower priority leaves the lease to others.
        """
        record = Record() if self.stored is None else self.stored.record
        target = left_to(record)
        if target and names(target, identity):
            return None
        since = self.changed_at if record.is_free else self.expires_at()
        until = max(since, self._guarded_from(identity)) + patience
        if now >= until:
            return None
        return Wait(
            until=None if math.isinf(until) else until,
            why="it is left to candidates of higher priority",
        )

    def _is_mine(self, mine: TermId | None) -> bool:
        return mine is not None and mine.is_in(self.stored)

    def _decide_alone(self, identity: str, mine: TermId | None, now: float) -> Verdict:
        if now < self.rolled_back_until:
            return Wait(until=self.rolled_back_until, why="the store was rolled back")
        if self.stored is None or self.stored.record.is_free:
            return self._decide_free(identity, now)
        record = self.stored.record
        if record.strategy:
            return Wait(until=None, why=f"a coordinator elects ({record.strategy})")
        if self._is_mine(mine):
            return Take(over=self.stored, why="it is our own, from an ended term")
        # Who displaced one of ours protects it no longer than that one had to run.
        until = max(self.expires_at(), self._guarded_from(identity))
        if now >= until:
            return Take(over=self.stored, why=f"the lease of {record.holder} expired")
        return Wait(until=until, why="held", holder=record.holder)

    def _decide_free(self, identity: str, now: float) -> Verdict:
        if self.stored is not None and self.stored.record.strategy:
            strategy = self.stored.record.strategy
            return Wait(until=None, why=f"a coordinator elects ({strategy})")
        if now < self._guarded_from(identity):
            return Wait(
                until=self.guarded_until,
                why=f"{self.guarded} lost the record without releasing it",
                holder=self.guarded,
            )
        return Take(over=self.stored, why="the lease is free")

    def _guarded_from(self, identity: str) -> float:
        """
        Return until when a vanished holder may still work beside ``identity``.

        Our own ended term needs no waiting: nothing of it runs any more (S15).
        """
        return self.guarded_until if self.guarded != identity else 0.0

    def _remember(self, stored: Stored | None) -> Observation:
        if stored is None:
            return self
        return replace(
            self,
            highest_version=max(self.highest_version, stored.version or 0),
            highest_token=max(self.highest_token, stored.record.token or 0),
        )

    def _longest(self, stored: Stored | None) -> float:
        if stored is None:
            return 0.0
        duration = self._protection(stored.record)
        previous = None if self.stored is None else self.stored.record
        if previous is not None and _holding(previous) == _holding(stored.record):
            return max(self.longest, duration)
        return duration

    def _protection(self, record: Record) -> float:
        """
        Return how long a record protects its holder, in seconds.

        Where the duration is missing a holder of ours still works with the one that
        it noted itself, which a newcomer never saw: the longer of that and our own.
        """
        if record.duration is not None:
            return record.duration
        noted = record.our_duration if record.our_holder == record.holder else None
        return max(self.own_duration, noted or 0.0)

    def _guard(
        self, before: Observation, stored: Stored | None, *, at: float
    ) -> Observation:
        """
        Remember a holder of ours that vanished without the release marker (S12).

        Its last renewal may have gone unseen, so its whole duration counts from now.
        A foreigner who takes the record meanwhile, or is blanked in turn, changes
        nothing about it; one of ours that takes the record has waited itself.
        """
        record = None if stored is None else stored.record
        if record is not None and (record.was_released or record.is_held_by_ours):
            return replace(self, guarded="", guarded_until=0.0)
        previous = None if before.stored is None else before.stored.record
        if record is not None and record.is_free and _names_unseen(record, previous):
            return self._guard_unseen(record, at=at)
        if previous is None or not previous.is_held_by_ours:
            return self
        if record is not None and not record.is_free and at >= before.expires_at():
            return self  # its time was over: whoever took it was right to do so
        return replace(self, guarded=previous.holder, guarded_until=at + before.longest)

    def _guard_unseen(self, record: Record, *, at: float) -> Observation:
        """
        Of a holder that was never seen only the annotations tell (S12).
        """
        if not record.last_holder_was_ours:
            return self
        wait = max(self.own_duration, record.our_duration or 0.0)
        return replace(self, guarded=record.our_holder or "", guarded_until=at + wait)


def judge_own(term: TermId, stored: Stored | None) -> Kept | Unwanted | Lost:
    """
    Say whether a leader still holds the lease it sees (S3, S8).

    A foreign edit of labels, or of renewTime alone, loses nothing; one of holder,
    acquireTime or transitions makes it another's term; a smaller duration is
    reported, because others may take the record that much earlier.
    """
    if stored is None:
        return Lost(reason=LossReason.DELETED)
    record = stored.record
    if record.is_free:
        return Lost(reason=LossReason.BLANKED)
    if record.holder != term.identity:
        return Lost(reason=LossReason.STOLEN, holder=record.holder)
    if not term.is_in(stored):
        return Lost(reason=LossReason.EDITED, holder=record.holder)
    if record.strategy:
        return Unwanted(why=f"a coordinator elects ({record.strategy})")
    if record.preferred_holder not in (None, "", term.identity):
        return Unwanted(why=f"{record.preferred_holder} is preferred")
    return Kept(duration=record.duration, leave=why_leave(record, term))


def mint_token(observation: Observation, written: Stored) -> int:
    """
    Return the fencing token of the term that ``written`` began (S17).

    It grows with every term, also when the lease was deleted and made again: the
    store's version does, and it is above every token ever seen.
    """
    published = written.record.token or 0
    return max(written.version or 0, published + 1, observation.highest_token + 1)


def _spec(stored: Stored | None) -> tuple[object, ...] | None:
    return None if stored is None else (stored.uid, *stored.record.spec)


def _orders(stored: Stored | None) -> tuple[str | None, ...] | None:
    return None if stored is None else stored.record.orders


def _holding(record: Record) -> tuple[str, str | None]:
    return (record.holder, record.acquire_time)


def _names_unseen(record: Record, previous: Record | None) -> bool:
    """
    Tell whether the annotations name a term of ours that was never seen itself.
    """
    if record.our_holder is None:
        return False
    return previous is None or (
        (previous.our_holder, previous.our_transitions)
        != (record.our_holder, record.our_transitions)
    )
