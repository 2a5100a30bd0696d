"""
What the pages say, as plain values.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from k8s_leader.observers.port import (
    HolderSeen,
    Notice,
    PauseSeen,
    StateChanged,
    WorkloadExited,
    WorkloadStarted,
)
from k8s_leader.observers.status import Snapshot, Status
from k8s_leader.web.health import Check

__all__ = ["change_of", "describe", "run_checks"]


def describe(status: Status, *, version: str) -> dict[str, Any]:
    """
    Return the present status for ``/status``; times are UTC, the rest is seconds.
    """
    now, snapshot, candidacy = status.clock.now(), status.now, status.candidacy
    runs = snapshot.led_since is not None

    def instant(at: float | None) -> str | None:
        return None if at is None else _utc(status.clock.wall() - (now - at))

    return {
        "identity": candidacy.identity,
        "lease": candidacy.lease,
        "namespace": candidacy.namespace,
        "version": version,
        "state": snapshot.state.value,
        "since": instant(snapshot.since),
        "reason": snapshot.reason,
        "is_leader": snapshot.is_leader(now),
        "holder": snapshot.holder,
        "paused": snapshot.paused,
        "fencing_token": snapshot.token if runs else None,
        "term": snapshot.term if runs else None,
        "grant": _grant(snapshot, now),
        "last_renewal": instant(snapshot.renewed_at),
        "last_contact": instant(snapshot.heard_at),
        "store_reachable": snapshot.is_reachable,
        "last_error": None
        if snapshot.failure is None
        else {**asdict(snapshot.failure), "at": instant(snapshot.failure.at)},
        "workload": {
            "up": snapshot.started_at is not None,
            "pid": snapshot.pid,
            "started": instant(snapshot.started_at),
            "last_exit_code": snapshot.exit_code,
            "ends_with_guard_by": candidacy.tied_by,
        },
        "timing": asdict(candidacy.timing),
    }


def _grant(snapshot: Snapshot, now: float) -> dict[str, float] | None:
    if snapshot.grant is None:
        return None
    return {
        "ends_in_seconds": round(snapshot.grant.until - now, 3),
        "stops_in_seconds": round(snapshot.grant.stop_at - now, 3),
    }


def change_of(notice: Notice) -> dict[str, Any] | None:
    """
    Return what ``/events`` tells of a notice; ``None`` for routine.
    """
    match notice:
        case StateChanged(before=before, after=after):
            if notice.is_routine:
                return None
            return {
                "change": "state",
                "state": after.value,
                "before": before.value,
                "reason": notice.reason,
                "fencing_token": notice.token,
                "holder": notice.holder,
            }
        case HolderSeen(holder=holder):
            return {"change": "holder", "holder": holder}
        case PauseSeen(paused=paused):
            return {"change": "pause", "paused": paused}
        case WorkloadStarted(token=token, pid=pid):
            return {"change": "workload-started", "fencing_token": token, "pid": pid}
        case WorkloadExited(token=token, code=code):
            return {"change": "workload-exited", "fencing_token": token, "code": code}
        case _:
            return None


def run_checks(checks: Mapping[str, Check], *, name: str) -> tuple[bool, str]:
    """
    Return whether all is well, and the lines that ``?verbose`` shows.
    """
    found = {check: ask() for check, ask in checks.items()}
    lines = [
        f"[+]{check} ok" if wrong is None else f"[-]{check} failed: {wrong}"
        for check, wrong in found.items()
    ]
    well = all(wrong is None for wrong in found.values())
    lines.append(f"{name} check {'passed' if well else 'failed'}")
    return well, "\n".join(lines) + "\n"


def _utc(wall: float) -> str:
    instant = datetime.datetime.fromtimestamp(wall, tz=datetime.UTC)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
