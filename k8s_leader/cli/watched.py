"""
What is worth a line in ``watch``: a pure reader of sightings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from k8s_leader.cli.table import clean, seconds
from k8s_leader.election.orders import is_paused
from k8s_leader.election.record import Record, micro_time
from k8s_leader.leases.port import Sighting
from k8s_leader.observers.cluster.notes import read_history
from k8s_leader.values import dataclass

__all__ = ["Told", "Watched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    One line of ``watch``.

    Attributes:
        at: when it was seen here, in RFC 3339.
        what: ``led``, ``acquired``, ``released``, ``free``, ``silent``, ``renewing``,
            ``paused``, ``resumed``, ``deleted`` or ``blind``.
        who: the identity it is about; empty: nobody.
        since: the term's start, as the record says.
        term: the lease's transitions.
        why: the reason, for people.
    """

    at: str
    what: str
    who: str = ""
    since: str = ""
    term: int = 0
    why: str = ""

    def __str__(self) -> str:
        """
        Return it as a line.
        """
        since = f" since {self.since}" if self.since else ""
        term = f" (term {self.term})" if self.who else ""
        why = f": {self.why}" if self.why else ""
        return clean(f"{self.at} {self.what:<8} {self.who}{since}{term}{why}".rstrip())

    def document(self) -> dict[str, Any]:
        """
        Return it for scripts.
        """
        return asdict(self)


class Watched:
    """
    Remembers the last record and tells what changed.
    """

    def __init__(self) -> None:
        self._last: Record | None = None
        self._began = False
        self._is_silent = False
        self.expires_at: float | None = None
        """Boot-time seconds at which silence is worth a line; ``None``: never."""

    def seen(
        self, sighting: Sighting, *, notes: Mapping[str, str], now: float, wall: float
    ) -> Told | None:
        """
        Take what the watch showed; return what is worth a line.

        Args:
            sighting: of the lease.
            notes: its annotations.
            now: boot-time seconds.
            wall: Unix seconds.
        """
        at = _instant(wall)
        if sighting.blind:
            self.expires_at = None
            return Told(at=at, what="blind", why="the watch broke; it is tried again")
        record = sighting.stored.record if sighting.stored else None
        last, began = self._last, self._began
        self._last, self._began = record, True
        if record is None:
            self.expires_at = None
            is_news = last is not None or not began
            gone = Told(at=at, what="deleted", why="there is no lease")
            return gone if is_news else None
        woke = self._heed(record, last, now=now)
        told = _told(record, last, at=at, began=began, notes=notes)
        if told is None and woke:
            return _of(record, at=at, what="renewing", why="the leader renews again")
        return told

    def _heed(self, record: Record, last: Record | None, *, now: float) -> bool:
        """
        Count silence from this sign of life; tell whether there was silence.
        """
        if last is not None and record.spec == last.spec:
            return False
        was_silent, self._is_silent = self._is_silent, False
        held = not record.is_free and record.duration is not None
        self.expires_at = now + (record.duration or 0.0) if held else None
        return was_silent

    def silent(self, *, wall: float) -> Told | None:
        """
        Take that the leader was silent for its whole lease.
        """
        self.expires_at = None
        self._is_silent = True
        record = self._last
        if record is None:
            return None
        why = f"no renewal for {seconds(record.duration)}: standbys may take it"
        return _of(record, at=_instant(wall), what="silent", why=why)


def _instant(wall: float) -> str:
    return micro_time(wall)[:23] + "Z"


def _told(
    record: Record,
    last: Record | None,
    *,
    at: str,
    began: bool,
    notes: Mapping[str, str],
) -> Told | None:
    why = _why(record, notes)
    if record.is_free:
        if last is not None and last.is_free:
            return None
        what = "released" if record.was_released else "free"
        who = record.released_by or (last.holder if last else "")
        return Told(at=at, what=what, who=who, term=record.transitions, why=why)
    same = last is not None and (last.holder, last.acquire_time) == (
        record.holder,
        record.acquire_time,
    )
    if same and is_paused(record) != is_paused(last):
        return _of(
            record,
            at=at,
            what="paused" if is_paused(record) else "resumed",
            why="by order; the leader goes on",
        )
    if same:
        return None
    return _of(record, at=at, what="acquired" if began else "led", why=why)


def _of(record: Record, *, at: str, what: str, why: str) -> Told:
    return Told(
        at=at,
        what=what,
        who=record.holder,
        since=record.acquire_time or "",
        term=record.transitions,
        why=why,
    )


def _why(record: Record, notes: Mapping[str, str]) -> str:
    """
    Return the noted reason if the last note is about this very state.
    """
    history = read_history(notes)
    if not history or history[-1].term != record.transitions:
        return ""
    is_release = history[-1].what == "released"
    return history[-1].why if is_release == record.is_free else ""
