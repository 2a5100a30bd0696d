"""
What the holder notes on the Lease for people: ``kubectl describe lease`` shows it.

The notes are part of the writes that happen anyway. They never decide anything, and
annotations of others stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from k8s_leader.election.record import Record
from k8s_leader.observers.cluster.names import (
    ENTRYPOINT,
    HISTORY,
    LAST_CHANGE,
    NODE,
    POD,
    VERSION,
)
from k8s_leader.observers.port import Notice, StateChanged
from k8s_leader.values import dataclass

__all__ = ["Change", "LeaseNotes", "read_history"]

_KEPT = 8
"""Changes in the history: some 1.5 KB, written with each renewal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    One change of hands, as it stands in the history.

    Attributes:
        at: when, in RFC 3339.
        who: identity of the candidate that wrote it.
        what: ``acquired`` or ``released``.
        why: the reason, for people.
        term: the lease's transitions.
    """

    at: str
    who: str
    what: str
    why: str
    term: int

    def __str__(self) -> str:
        """
        Return it as one sentence.
        """
        return f"{self.at} {self.who} {self.what} ({self.why})"


class LeaseNotes:
    """
    Observer that remembers reasons, and writer of the notes.

    Args:
        version: of k8s-leader.
        pod: ``namespace/name`` of the own Pod; ``None`` outside a cluster.
        node: its node; ``None``: not known.
        proves_death: whether its guard writes a termination log (rule S18).
        reason: why the lease will be given up, until a notice says more.
    """

    def __init__(
        self,
        *,
        version: str,
        pod: str | None = None,
        node: str | None = None,
        proves_death: bool = False,
        reason: str = "",
    ) -> None:
        self._fixed = {VERSION: version, POD: pod, NODE: node}
        self._proves_death = proves_death
        self._reason = reason

    def on_notice(self, notice: Notice) -> None:
        """
        Remember why the term ends.
        """
        if isinstance(notice, StateChanged):
            self._reason = notice.reason

    def __call__(
        self, annotations: Mapping[str, Any], before: Record | None, after: Record
    ) -> dict[str, str | None]:
        """
        Return the annotations to set; ``None`` removes one.

        Args:
            annotations: what the Lease says now.
            before: the record that is replaced; ``None``: the Lease is created.
            after: the record that is written.
        """
        change = self._change(before, after)
        if after.is_free:
            gone = dict.fromkeys((POD, NODE, ENTRYPOINT))
            return {**gone, **_told(annotations, change)}
        entrypoint = after.holder if self._proves_death else None
        return {**self._fixed, ENTRYPOINT: entrypoint, **_told(annotations, change)}

    def _change(self, before: Record | None, after: Record) -> Change | None:
        if after.is_free:
            who = "" if before is None else before.holder
            return _made(after, who, "released", self._reason or "asked to")
        if before is not None and before.acquire_time == after.acquire_time:
            return None
        return _made(after, after.holder, "acquired", _taken_because(before))


def _made(record: Record, who: str, what: str, why: str) -> Change:
    at = (record.acquire_time or "")[:19] + "Z"  # no fractions: it is for people
    return Change(at=at, who=who, what=what, why=why, term=record.transitions)


def _taken_because(before: Record | None) -> str:
    if before is None:
        return "the Lease was new"
    if before.holder:
        return f"the lease of {before.holder} expired"
    if before.was_released:
        return f"{before.released_by} released it"
    return "it was free"


def _told(
    annotations: Mapping[str, Any], change: Change | None
) -> dict[str, str | None]:
    if change is None:
        return {}
    history = [*read_history(annotations), change][-_KEPT:]
    text = json.dumps([asdict(entry) for entry in history], separators=(",", ":"))
    return {LAST_CHANGE: str(change), HISTORY: text}


def read_history(annotations: Mapping[str, Any]) -> list[Change]:
    """
    Return the changes that a Lease's annotations tell, oldest first.

    Whatever is odd is left out: anybody may write there.
    """
    try:
        entries = json.loads(annotations.get(HISTORY, "[]"))
        return [
            Change(
                at=str(entry["at"]),
                who=str(entry["who"]),
                what=str(entry["what"]),
                why=str(entry["why"]),
                term=int(entry["term"]),
            )
            for entry in entries
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []
