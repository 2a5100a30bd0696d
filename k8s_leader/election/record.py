"""
The record: what a lease says, freed from how its store spells it.

The five spec fields are those of ``coordination.k8s.io/v1``; the ``our_*`` fields,
the marker and the token are what our own candidates add (annotations on Kubernetes,
columns in SQLite). Times of the record are opaque text here: they are compared for
being different, never with a clock (rule S7).
"""

from __future__ import annotations

import datetime
from dataclasses import replace

from k8s_leader.values import dataclass

__all__ = [
    "Record",
    "Stored",
    "TermId",
    "claim",
    "micro_time",
    "release",
    "renewal",
    "unix_seconds",
]

_INT32 = 2**31 - 1
"""What the API can hold in ``leaseTransitions``."""

_FAR_AHEAD = 86400.0
"""A renewTime further ahead than this is nonsense, not a clock that stepped back."""

_MICROSECOND = 1e-6
"""As exact as a MicroTime is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    What a lease says.

    Attributes:
        holder: identity of the holder; ``""`` when the lease is free.
        duration: seconds the record protects its holder; ``None`` if it is missing.
        acquire_time: when the holder took it (RFC 3339, as written); or ``None``.
        renew_time: when the holder last renewed it; or ``None``.
        transitions: how often the lease changed hands.
        strategy: set when a coordinator, not the candidates, elects.
        preferred_holder: who should hold it, in the coordinator's opinion.
        our_holder: the last holder that was a candidate of this project.
        our_duration: the lease duration that holder worked with, in seconds.
        our_transitions: ``transitions`` of that holder's term.
        released_by: the release marker: who gave the lease up, tree gone (S12).
        token: the last fencing token that was published (S17).
        paused, step_down, switchover: what people ask for, as they wrote it; what it
            means is said in ``orders.py``.
    """

    holder: str = ""
    duration: float | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    transitions: int = 0
    strategy: str | None = None
    preferred_holder: str | None = None
    our_holder: str | None = None
    our_duration: float | None = None
    our_transitions: int | None = None
    released_by: str | None = None
    token: int | None = None
    paused: str | None = None
    step_down: str | None = None
    switchover: str | None = None

    @property
    def is_free(self) -> bool:
        """
        Tell whether nobody is named as the holder.
        """
        return not self.holder

    @property
    def is_held_by_ours(self) -> bool:
        """
        Tell whether the holder is a candidate of this project, by its own word.
        """
        return bool(self.holder) and self.our_holder == self.holder

    @property
    def spec(self) -> tuple[object, ...]:
        """
        Return the fields whose change counts as a sign of life (interop rule 5).
        """
        return (
            self.holder,
            self.duration,
            self.acquire_time,
            self.renew_time,
            self.transitions,
            self.strategy,
            self.preferred_holder,
        )

    @property
    def orders(self) -> tuple[str | None, ...]:
        """
        Return what people ask for; its change is no sign of life.
        """
        return (self.paused, self.step_down, self.switchover)

    @property
    def was_released(self) -> bool:
        """
        Tell whether the last holder of ours gave the free lease up itself (S12).
        """
        return self.released_by is not None and self.released_by == self.our_holder

    @property
    def last_holder_was_ours(self) -> bool:
        """
        Tell, for a free record, whether nobody else held it after one of ours.

        A take-over raises ``transitions``; a blanking does not (a stale blanking by
        client-go even lowers it). So only a higher count shows a later holder.
        """
        if self.our_holder is None:
            return False
        return self.our_transitions is None or self.transitions <= self.our_transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """
    A record as it was read, with what a compare-and-swap on it needs.

    Attributes:
        record: what the lease says.
        uid: distinguishes this lease from one made later under the same name.
        version: grows with every write to the store; ``None`` if not comparable.
        handle: whatever the store needs to replace exactly this state.
    """

    record: Record
    uid: str
    version: int | None
    handle: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TermId:
    """
    What tells one term from every other, also of the same identity (S5, S16).

    Attributes:
        identity: the holder.
        uid: the lease's; ``""`` before the creating write was answered.
        acquire_time: as written into the record, microseconds included.
        transitions: as written into the record.
    """

    identity: str
    uid: str
    acquire_time: str
    transitions: int

    def is_in(self, stored: Stored | None) -> bool:
        """
        Tell whether the record is this very term's; identities compare whole (S11).
        """
        return (
            stored is not None
            and stored.record.holder == self.identity
            and stored.record.acquire_time == self.acquire_time
            and stored.record.transitions == self.transitions
            and self.uid in ("", stored.uid)
        )


def micro_time(wall: float) -> str:
    """
    Spell Unix seconds as Kubernetes' MicroTime: UTC, six digits, ``Z``.
    """
    instant = datetime.datetime.fromtimestamp(wall, tz=datetime.UTC)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unix_seconds(text: str | None) -> float | None:
    """
    Read a time of a record; ``None`` if it is none. For people, never to decide (S7).
    """
    if not text:
        return None
    try:
        instant = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        return None
    return instant.timestamp()


def claim(
    previous: Record | None, *, identity: str, duration: float, wall: float
) -> Record:
    """
    Return what a candidate writes to take a lease.

    Args:
        previous: the record that is replaced; ``None`` to create the lease.
        identity: the candidate.
        duration: its lease duration in seconds.
        wall: Unix seconds, for people and for followers that look for change.
    """
    now = micro_time(wall)
    before = -1 if previous is None else previous.transitions
    transitions = min(before + 1, _INT32)
    return replace(
        previous or Record(),
        holder=identity,
        duration=duration,
        acquire_time=now,
        renew_time=now,
        transitions=transitions,
        our_holder=identity,
        our_duration=duration,
        our_transitions=transitions,
        released_by=None,
        step_down=None,  # asked of the leader before, never of this one
        switchover=None,
    )


def renewal(
    current: Record,
    *,
    duration: float,
    wall: float,
    token: int | None,
    elapsed: float = 1.0,
) -> Record:
    """
    Return what the holder writes to renew; it also publishes the token (S17).

    ``renew_time`` grows, also when the wall clock stands still or steps back, and
    after a second or more it is in another whole second than all before: client-go
    sees changes by the second (interop 6), and not every renewal. A write that
    changes nothing is no renewal (S6).

    Args:
        current: the record of the term.
        duration: to promise, in seconds.
        wall: Unix seconds.
        token: of the term; ``None`` keeps what is published.
        elapsed: seconds since the last renewal; unknown counts as one.
    """
    return replace(
        current,
        duration=duration,
        renew_time=micro_time(_moved(unix_seconds(current.renew_time), wall, elapsed)),
        our_duration=duration,
        token=current.token if token is None else token,
    )


def _moved(last: float | None, wall: float, elapsed: float) -> float:
    """
    Return a time that is later than ``last``, and no earlier than the clock says.

    One second further is enough for a follower that sees whole seconds and any two
    renewals; renewals closer than that are no further apart than they were made, so
    that they do not run away from the clock.
    """
    if last is None or last >= wall + _FAR_AHEAD:
        return wall
    return max(wall, last + min(max(elapsed, _MICROSECOND), 1.0))


def release(current: Record, *, wall: float, token: int | None = None) -> Record:
    """
    Return what the holder writes to give the lease up, with the marker (S5, S12).

    Args:
        current: the record of the term.
        wall: Unix seconds.
        token: of the term; published here, too, for the term may end before its
            first renewal (S17).
    """
    now = micro_time(wall)
    return replace(
        current,
        holder="",
        duration=1.0,
        acquire_time=now,
        renew_time=now,
        released_by=current.holder,
        token=current.token if token is None else token,
        step_down=None,  # done; a switchover stays until somebody takes the lease
    )
