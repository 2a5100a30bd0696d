"""
What can be said about a candidacy in the library, and what it means.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

from k8s_leader.app.managers import OwnManager
from k8s_leader.app.runtime import Runtime
from k8s_leader.election.priority import HIGHEST, NEVER
from k8s_leader.election.timing import Timing
from k8s_leader.errors import SettingsError
from k8s_leader.observers.port import Observer
from k8s_leader.runner.heartbeat import Heartbeat
from k8s_leader.runner.term import Signal

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

__all__ = ["Options", "StopToken", "checked_interval", "checked_priority", "timing_of"]

StopToken = Signal | asyncio.Event | threading.Event
"""What a service may be told to stop by, from outside."""


class Options(TypedDict, total=False):
    """
    What can be said about a candidacy; all times in seconds.

    Attributes:
        manager: your own lease manager, or a factory that is given the identity.
        identity: its first part; the unique part is always added.
        priority: from 10 (takes a free lease at once) to 0 (only when switched over
            to); of Kubernetes and SQLite leases.
        lease_duration: a number, or a function that is asked before each acquisition.
        renew_deadline: when renewing is given up; derived from the duration, as are
            all the following.
        renew_every: how often the leader renews.
        retry_period: pause after a failed request.
        acquire_every: how often a standby tries when nothing wakes it.
        kill_time: from the cancellation to the hard stop, after a failed renewal.
        safety_margin: for clock rates and scheduling.
        stop_timeout: how long a workload may take to stop when it stops voluntarily.
        request_timeout: of one request.
        heartbeat: ``(is_leader, token)``, plain or async; its exception ends it all.
        heartbeat_every: 30 by default.
        on_leader_elected: told ``True`` when a term begins, ``False`` when it is over;
            called in the application's loop. What it raises is logged, and only that.
        stop: set it to have the candidate leave.
        observers: told what happens, in order, each in a thread of its own: one that
            hangs or raises harms nobody. It may be 1,024 notices behind.
        registry: of prometheus_client, to show the metrics on; candidates may share it.
        http: ``":9090"`` or ``"127.0.0.1:0"``: serves probes, status, events, metrics.
        on_loss: ``"kill"``: a workload that ignores the end of its term ends with the
            process; ``"carry-on"``: it goes on, beside its successor.
        runtime: shares its connection and thread with other candidates.
        kubeconfig: a path; as client-go finds it by default.
        context: of the kubeconfig.
    """

    manager: OwnManager | None
    identity: str | None
    priority: int
    lease_duration: float | Callable[[], float]
    renew_deadline: float | None
    renew_every: float | None
    retry_period: float | None
    acquire_every: float | None
    kill_time: float | None
    safety_margin: float | None
    stop_timeout: float | None
    request_timeout: float | None
    heartbeat: Heartbeat | None
    heartbeat_every: float
    on_leader_elected: Callable[[bool], object] | None
    stop: StopToken | None
    observers: Sequence[Observer]
    registry: CollectorRegistry | None
    http: str | None
    on_loss: Literal["kill", "carry-on"]
    runtime: Runtime | None
    kubeconfig: str | None
    context: str | None


def timing_of(given: Options) -> Timing:
    """
    Return the timing for the next term; a computed lease length is computed now.

    Raises:
        SettingsError: the timings do not fit together (S2).
    """
    length = given.get("lease_duration", 15.0)
    return Timing.derive(
        length() if callable(length) else length,
        renew_deadline=given.get("renew_deadline"),
        renew_every=given.get("renew_every"),
        retry_period=given.get("retry_period"),
        acquire_every=given.get("acquire_every"),
        kill_time=given.get("kill_time"),
        safety_margin=given.get("safety_margin"),
        stop_timeout=given.get("stop_timeout"),
        request_timeout=given.get("request_timeout"),
    )


def checked_priority(given: Options) -> int:
    """
    Return the priority.

    Raises:
        SettingsError: it is no whole number from 0 to 10.
    """
    priority = given.get("priority", HIGHEST)
    if priority not in range(NEVER, HIGHEST + 1):
        raise SettingsError(
            "priority",
            priority,
            allowed=f"a whole number from {NEVER} to {HIGHEST}",
            fix=f"leave it out: {HIGHEST}",
        )
    return priority


def checked_interval(given: Options) -> float:
    """
    Return the seconds between two heartbeats.

    Raises:
        SettingsError: they are not positive.
    """
    every = given.get("heartbeat_every", 30.0)
    if not every > 0:
        raise SettingsError(
            "heartbeat_every", every, allowed="seconds above 0", fix="leave it out: 30"
        )
    return every
