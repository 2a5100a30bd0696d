"""
Health of the workload: a leader that is not healthy gives the lease to somebody else.

Nothing is known of other candidates: if nobody takes the lease, this one campaigns
again after its back-off, which doubles each time the workload turns out ill again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence

from k8s_leader.clock import Clock
from k8s_leader.election.events import State
from k8s_leader.observers.command import run_command
from k8s_leader.observers.port import (
    Notice,
    PauseSeen,
    StateChanged,
    WorkloadStarted,
)
from k8s_leader.values import dataclass

__all__ = ["Check", "Health", "Pace", "exec_check", "file_check", "http_check"]

_logger = logging.getLogger(__name__)

_GROWTH = 2.0
_LONGEST = 16.0
"""The back-off grows up to this many times the first."""

Check = Callable[[float], Awaitable[str]]
"""Called with seconds it may take; returns what is wrong, empty when all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """
    When to look, and what to make of it; in seconds.

    Attributes:
        every: between two looks; the first is this long after the start.
        timeout: of one look.
        failures: looks in a row that have to fail.
        backoff: to stay out after the first time.
    """

    every: float
    timeout: float
    failures: int
    backoff: float


class Health:
    """
    Looks at the workload while it runs; while the election is paused nothing follows.

    Args:
        checks: all have to pass.
        pace: when to look.
        clock: boot-time clock.
        step_down: called with a reason and the seconds to stay out.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        *,
        pace: Pace,
        clock: Clock,
        step_down: Callable[[str, float], None],
    ) -> None:
        self._checks = checks
        self._pace = pace
        self._clock = clock
        self._step_down = step_down
        self._backoff = pace.backoff
        self._paused = False
        self._watch: asyncio.Task[None] | None = None

    def on_notice(self, notice: Notice) -> None:
        """
        Begin to look when the workload starts, end with the term.
        """
        if isinstance(notice, WorkloadStarted):
            self._end()
            self._watch = asyncio.create_task(self._look(), name="workload-health")
        elif isinstance(notice, PauseSeen):
            self._paused = notice.paused
        elif isinstance(notice, StateChanged) and notice.before is State.LEADING:
            self._end()

    def _end(self) -> None:
        if self._watch is not None and self._watch is not asyncio.current_task():
            self._watch.cancel()
        self._watch = None

    async def _look(self) -> None:
        since, failed = self._clock.now(), 0
        while self._paused or failed < self._pace.failures:
            await asyncio.sleep(self._pace.every)
            error = await self._first_error()
            failed = failed + 1 if error else 0
            if error:
                left = self._pace.failures - failed
                then = (
                    "paused: it stays"
                    if self._paused
                    else f"{left} more: it steps down"
                )
                _logger.warning("unhealthy: %s (%s)", error, then)
        ill = self._pace.failures * self._pace.every
        if self._clock.now() - since - ill > self._backoff:
            self._backoff = self._pace.backoff  # it was well for long enough
        backoff = self._backoff
        self._backoff = min(_GROWTH * backoff, _LONGEST * self._pace.backoff)
        _logger.error("unhealthy: stepping down, staying out for %g s", backoff)
        self._step_down("unhealthy", backoff)

    async def _first_error(self) -> str:
        for check in self._checks:
            if error := await check(self._pace.timeout):
                return error
        return ""


def exec_check(
    command: Sequence[str], environ: Callable[[], Mapping[str, str]]
) -> Check:
    """
    Return a check that passes when a command ends with 0.
    """

    async def check(timeout: float) -> str:
        return await run_command(command, environ=environ(), timeout=timeout)

    return check


def http_check(url: str) -> Check:
    """
    Return a check that passes when a GET is answered below 400; no proxy is asked.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(timeout: float) -> str:
        try:
            with opener.open(url, timeout=timeout):
                return ""
        except (OSError, ValueError, urllib.error.URLError) as exc:
            return f"{url}: {exc}"

    async def check(timeout: float) -> str:
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.to_thread(get, timeout)
        except TimeoutError:
            return f"{url} took longer than {timeout:g} s"

    return check


def file_check(path: str, *, every: float) -> Check:
    """
    Return a check that passes while a file is written at least every so many seconds.
    """

    async def check(timeout: float) -> str:
        try:
            age = time.time() - os.stat(path).st_mtime
        except OSError as exc:
            return f"{path}: {exc.strerror}"
        return "" if age <= every + timeout else f"{path} is {age:.1f} s old"

    return check
