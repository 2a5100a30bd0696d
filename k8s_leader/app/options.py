"""
What can be said about a candidacy in the library, and what it means.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

from k8s_leader.app.managers import OwnManager
from k8s_leader.app.runtime import Runtime
from k8s_leader.election.priority import HIGHEST, NEVER
from k8s_leader.election.timing import Timing
from k8s_leader.errors import InWords, SettingsError
from k8s_leader.observers.port import Observer
from k8s_leader.runner.heartbeat import Heartbeat
from k8s_leader.runner.term import Signal
from k8s_leader.settings.names import default_identity, identity_prefix

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

__all__ = [
    "Options",
    "StopToken",
    "check_options",
    "checked_identity",
    "checked_interval",
    "checked_priority",
    "timing_of",
]

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
        lease_create: whether a missing lease is made (yes); of Kubernetes and SQLite
            leases. Turn it off where the chart or an administrator owns it.
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
    lease_create: bool
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


def check_options(given: Options) -> None:
    """
    Refuse what nothing would be done with, or not what was meant.

    Raises:
        SettingsError: an option does not exist, or names no way to treat a loss (a
            misspelt one must not mean "carry on"), or contradicts another.
    """
    for name in sorted(given.keys() - Options.__annotations__.keys()):
        raise _unknown(name)
    _check_words(given)
    _check_kinds(given)
    for name, callback in (
        ("heartbeat", given.get("heartbeat")),
        ("on_leader_elected", given.get("on_leader_elected")),
    ):
        if callback is not None and not callable(callback):
            raise SettingsError(
                name, callback, allowed="a function", fix="give the function itself"
            )
    _check_runtime(given)


def _check_words(given: Options) -> None:
    on_loss = given.get("on_loss", "kill")
    if on_loss not in ("kill", "carry-on"):
        raise SettingsError(
            "on_loss", on_loss, allowed="kill, carry-on", fix="leave it out: kill"
        )
    create = given.get("lease_create", True)
    if not isinstance(create, bool):
        raise SettingsError(
            "lease_create", create, allowed="True, False", fix="leave it out: True"
        )


def _check_kinds(given: Options) -> None:
    """
    Refuse what would be found wrong only after the election has begun.
    """
    for name, value, kinds, allowed in (
        ("http", given.get("http"), str, "text"),
        ("kubeconfig", given.get("kubeconfig"), str | os.PathLike, "a path"),
        ("context", given.get("context"), str, "text"),
        ("runtime", given.get("runtime"), Runtime, "a k8s_leader.Runtime"),
        ("stop", given.get("stop"), StopToken, "an event of asyncio or threading"),
    ):
        if value is not None and not isinstance(value, kinds):
            raise SettingsError(
                name, value, allowed=allowed, fix="give such a one, or leave it out"
            )


def _check_runtime(given: Options) -> None:
    if given.get("runtime") is None:
        return
    for name, value in (
        ("kubeconfig", given.get("kubeconfig")),
        ("context", given.get("context")),
    ):
        if value is not None:
            raise SettingsError(
                name, value, allowed="nothing beside runtime", fix="give it there"
            )


def _unknown(name: str) -> SettingsError:
    from k8s_leader.settings.sources import did_you_mean

    known = Options.__annotations__
    return SettingsError(
        f"the option {name}",
        InWords("unknown"),
        allowed=f"the options of k8s_leader.campaign{did_you_mean(name, known)}",
        fix="correct its name, or leave it out",
    )


def checked_identity(given: Options) -> str:
    """
    Return the readable part of the identity: the given one, the Pod's, the host's.

    Raises:
        SettingsError: it would spoil a record or a line of a log.
    """
    prefix = given.get("identity")
    if prefix is None:
        return default_identity(os.environ)
    try:
        return identity_prefix(prefix)
    except (TypeError, ValueError) as exc:
        raise SettingsError(
            "identity", prefix, allowed=str(exc), fix="use the name of Pod or host"
        ) from None


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
    is_number = isinstance(every, int | float)
    if not is_number or not math.isfinite(every) or every <= 0:
        raise SettingsError(
            "heartbeat_every", every, allowed="seconds above 0", fix="leave it out: 30"
        )
    return every
