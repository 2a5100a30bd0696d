"""
Puts together what runs beside the workload: hooks and health checks.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from k8s_leader.clock import Clock
from k8s_leader.guard.environ import workload_environ
from k8s_leader.observers.health import (
    Check,
    Health,
    Pace,
    exec_check,
    file_check,
    http_check,
)
from k8s_leader.observers.hooks import Hooks
from k8s_leader.observers.port import Observer

__all__ = ["open_companions"]

_LAST_HOOK = 4.0
"""Seconds that the end of a candidacy waits for a hook; the lease is released then."""


@asynccontextmanager
async def open_companions(
    config: Mapping[str, Any],
    *,
    clock: Clock,
    handed: Callable[[], Mapping[str, str]],
    step_down: Callable[[str, float], None],
    resumes: bool,
) -> AsyncIterator[tuple[Observer, ...]]:
    """
    Lend the observers that the settings ask for.

    Args:
        config: the ``companions`` part of the elector's configuration.
        clock: boot-time clock.
        handed: returns what the term told the workload in its environment.
        step_down: called with a reason and the seconds to stay out.
        resumes: the workload runs already: an earlier elector ran its hook.
    """

    def environ() -> Mapping[str, str]:
        return workload_environ(os.environ) | dict(handed())

    hooks = Hooks(
        started=config["on_started_leading"],
        stopped=config["on_stopped_leading"],
        timeout=config["hook_timeout"],
        environ=environ,
        is_up=resumes,
    )
    checks = _checks(config, environ)
    pace = Pace(
        every=config["health_every"],
        timeout=config["health_timeout"],
        failures=config["health_failures"],
        backoff=config["unhealthy_backoff"],
    )
    health = Health(checks, pace=pace, clock=clock, step_down=step_down)
    yield (hooks, health) if checks else (hooks,)
    await hooks.finish(patience=_LAST_HOOK)


def _checks(
    config: Mapping[str, Any], environ: Callable[[], Mapping[str, str]]
) -> list[Check]:
    found: list[Check] = []
    if config["health_exec"]:
        found.append(exec_check(config["health_exec"], environ))
    if config["health_http"]:
        found.append(http_check(config["health_http"]))
    if config["health_file"]:
        every = config["health_every"]
        found.append(file_check(config["health_file"], every=every))
    return found
