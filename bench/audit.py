"""
Reads the API server's audit log: who asked what, and when it was answered.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Write", "requests_between", "writes"]

_WRITES = {"create", "update", "patch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """
    One successful write of a Lease; `done` is when it was answered (unix seconds).
    """

    verb: str
    done: float


def requests_between(
    events: Iterable[dict[str, Any]], *, user: str, begin: float, end: float
) -> dict[str, float]:
    """
    Count a user's requests that came in a span, by verb, per minute.

    A watch is one request, however long it stays.
    """
    seen: dict[str, str] = {}
    for event in events:
        if event["user"]["username"] != user:
            continue
        if begin <= _seconds(event["requestReceivedTimestamp"]) < end:
            seen[event["auditID"]] = event["verb"]
    per_minute = 60 / (end - begin)
    return {verb: n * per_minute for verb, n in sorted(Counter(seen.values()).items())}


def writes(events: Iterable[dict[str, Any]], *, user: str, since: float) -> list[Write]:
    """
    Return a user's successful writes that were answered after an instant, in order.
    """
    found = [
        Write(verb=event["verb"], done=_seconds(event["stageTimestamp"]))
        for event in events
        if event["user"]["username"] == user
        and event["verb"] in _WRITES
        and event["stage"] == "ResponseComplete"
        and event["responseStatus"]["code"] < 300
    ]
    return sorted((w for w in found if w.done >= since), key=lambda w: w.done)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
