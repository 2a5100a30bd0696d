"""
From what was seen of a lease to rows and documents; pure.

Ages and times left are told by this machine's wall clock, for people only: no
candidate ever judges another one's lease by that (docs/safety.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from k8s_leader.app.lookout import View
from k8s_leader.cli.table import age, seconds, table
from k8s_leader.election.orders import is_paused, nonsense
from k8s_leader.election.priority import HIGHEST
from k8s_leader.election.record import Record, unix_seconds
from k8s_leader.observers.cluster.names import LAST_CHANGE, NODE, POD, VERSION
from k8s_leader.values import dataclass

__all__ = [
    "Standing",
    "document",
    "headline",
    "owner",
    "renewed_ago",
    "rounded",
    "standings",
    "status_lines",
]

_HEADERS = ("ROLE", "POD", "NODE", "READY", "VERSION", "TERM", "TOKEN", "LEFT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """
    One candidate as status shows it.

    Attributes:
        role: ``leader`` or ``standby``, by the record.
        identity: of the candidate.
        pod: its Pod's name; empty where it has none, or none is known.
        node: of that Pod.
        ready: whether the Pod is ready; ``None``: not known.
        leaving: whether the Pod is being deleted.
        version: of k8s-leader; empty: not known, or another elector.
        priority: of the candidate; ``None``: not known.
    """

    role: str
    identity: str
    pod: str = ""
    node: str = ""
    ready: bool | None = None
    leaving: bool = False
    version: str = ""
    priority: int | None = None


def owner(record: Record) -> str:
    """
    Return whose the lease is: ``ours``, ``foreign``, or ``free``.
    """
    if record.is_free:
        return "free"
    return "ours" if record.our_holder == record.holder else "foreign"


def renewed_ago(record: Record, *, wall: float) -> float | None:
    """
    Return the seconds since the renewal, by two machines' clocks; ``None``: unknown.

    A renewal within one second of another is written a little ahead: never below 0.
    """
    at = unix_seconds(record.renew_time)
    return None if at is None else max(0.0, wall - at)


def _left(record: Record, *, wall: float) -> float | None:
    since = renewed_ago(record, wall=wall)
    if record.is_free or record.duration is None or since is None:
        return None
    return record.duration - since


def _token(record: Record) -> int | None:
    """
    Return the token of the term; ``None`` until its first renewal has published it.

    Until then the record still shows the term's before, and so it does for good where
    another elector holds the lease.
    """
    is_renewed = record.renew_time != record.acquire_time
    current = owner(record) == "ours" and is_renewed
    return record.token if record.is_free or current else None


def standings(view: View) -> list[Standing]:
    """
    Return the leader first, then the standbys by the names of their Pods.
    """
    holder = view.record.holder
    found = [
        Standing(
            role="leader" if holder and c.identity == holder else "standby",
            identity=c.identity,
            pod=c.pod,
            node=c.node,
            ready=c.ready,
            leaving=c.leaving,
            version=c.version,
            priority=c.priority,
        )
        for c in view.candidates or ()
    ]
    if holder and all(one.role != "leader" for one in found):
        found.append(_unlisted_holder(view))
    return sorted(found, key=lambda one: (one.role != "leader", one.pod))


def _unlisted_holder(view: View) -> Standing:
    """
    Return a holder that no Pod shows, with what its own notes on the Lease say.
    """
    notes = view.notes if owner(view.record) == "ours" else {}
    return Standing(
        role="leader",
        identity=view.record.holder,
        pod=notes.get(POD, "").rpartition("/")[2],
        node=notes.get(NODE, ""),
        version=notes.get(VERSION, ""),
    )


def headline(view: View, *, wall: float) -> str:
    """
    Return who leads in one sentence.
    """
    record = view.record
    if record.is_free:
        by = f", released by {record.released_by}" if record.was_released else ""
        return (
            f"{view.full_name}: nobody leads{by}; it changed hands "
            f"{record.transitions} times"
        )
    since = unix_seconds(record.acquire_time)
    lasted = f" ({age(wall - since)})" if since is not None else ""
    renewed = seconds(renewed_ago(record, wall=wall)) or "at an unknown time"
    foreign = "" if owner(record) == "ours" else " (another elector's candidate)"
    return (
        f"{view.full_name}: led by {record.holder}{foreign} since "
        f"{_whole(record.acquire_time)}{lasted}, renewed {renewed} ago, "
        f"{_expiry(record, wall)}"
    )


def _whole(time: str | None) -> str:
    """
    Return a time without fractions of its second: it is for people.
    """
    text = time or "an unknown time"
    return f"{text[:19]}Z" if text.endswith("Z") else text


def _expiry(record: Record, wall: float) -> str:
    left = _left(record, wall=wall)
    if left is None:
        return "for how long is not said"
    if left < 0:
        return f"EXPIRED {seconds(-left)} ago"
    return f"{seconds(left)} of {seconds(record.duration)} left"


def status_lines(view: View, *, wall: float) -> list[str]:
    """
    Return all of ``status``: who leads, the last change, and the candidates.
    """
    lines = [headline(view, wall=wall)]
    if LAST_CHANGE in view.notes:
        lines.append(f"last change: {view.notes[LAST_CHANGE]}")
    lines += told_orders(view.record)
    found = standings(view)
    if found:
        lines += ["", *_table(found, view, wall)]
    if view.store == "sqlite":
        lines += ["", "a SQLite file names the leader only: standbys are not listed"]
    return lines


def told_orders(record: Record) -> list[str]:
    """
    Return what people ask of the election at present, nonsense too.
    """
    lines = ["PAUSED: no candidate takes it or leaves"] if is_paused(record) else []
    if record.step_down is not None:
        lines.append(f"step-down is ordered: {record.step_down}")
    if record.switchover is not None:
        lines.append(f"switchover is ordered: {record.switchover}")
    return lines + [f"annotation {odd}" for odd in nonsense(record)]


def _table(found: Sequence[Standing], view: View, wall: float) -> list[str]:
    """
    Return the candidates as a table; priorities are shown where they differ.
    """
    rows = [_row(one, view, wall) for one in found]
    if all(one.priority in (None, HIGHEST) for one in found):
        return table(_HEADERS, rows)
    shown = ("" if one.priority is None else str(one.priority) for one in found)
    with_priority = [(*row, text) for row, text in zip(rows, shown, strict=True)]
    return table((*_HEADERS, "PRIORITY"), with_priority)


def _row(one: Standing, view: View, wall: float) -> Sequence[str]:
    record = view.record
    leads = one.role == "leader"
    ready = {None: "", True: "yes", False: "no"}[one.ready]
    return (
        one.role,
        one.pod or one.identity,
        one.node,
        "leaving" if one.leaving else ready,
        one.version,
        str(record.transitions) if leads else "",
        str(_token(record) or "") if leads else "",
        seconds(_left(record, wall=wall)) if leads else "",
    )


def document(view: View, *, wall: float) -> dict[str, Any]:
    """
    Return all of ``status`` for scripts; times in seconds.
    """
    record = view.record
    return {
        "lease": view.lease,
        "namespace": view.namespace,
        "store": view.store,
        "owner": owner(record),
        "holder": record.holder,
        "paused": is_paused(record),
        "term": record.transitions,
        "fencing_token": _token(record),
        "lease_duration": record.duration,
        "acquire_time": record.acquire_time,
        "renew_time": record.renew_time,
        "seconds_since_renewal": rounded(renewed_ago(record, wall=wall)),
        "seconds_left": rounded(_left(record, wall=wall)),
        "released_by": record.released_by,
        "last_change": view.notes.get(LAST_CHANGE),
        "candidates_known": view.candidates is not None,
        "candidates": [asdict(one) for one in standings(view)],
    }


def rounded(value: float | None) -> float | None:
    """
    Return seconds as scripts get them: to the millisecond.
    """
    return None if value is None else round(value, 3)
