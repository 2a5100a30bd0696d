"""
Hooks: commands that are run when a term's workload has started and when it is over.

They run beside the election and are never waited for by it: a hook cannot delay a
stop, a kill or a release. What must not run on two replicas belongs into the workload.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from k8s_leader.election.events import State
from k8s_leader.observers.command import run_command
from k8s_leader.observers.port import Notice, StateChanged, WorkloadStarted

__all__ = ["Hooks"]

_logger = logging.getLogger(__name__)

_OVER = (State.RELEASING, State.STANDBY, State.STOPPED)


class Hooks:
    """
    Runs ``started`` and ``stopped``, one after the other, in their order.

    Args:
        started: command, run when the workload of a term has started; may be empty.
        stopped: command, run when nothing of it is left; may be empty.
        timeout: seconds that each may take.
        environ: returns the environment that the workload has.
        is_up: a workload runs already, and its ``started`` was run.
    """

    def __init__(
        self,
        *,
        started: Sequence[str],
        stopped: Sequence[str],
        timeout: float,
        environ: Callable[[], Mapping[str, str]],
        is_up: bool = False,
    ) -> None:
        self._started = started
        self._stopped = stopped
        self._timeout = timeout
        self._environ = environ
        self._is_up = is_up
        self._last: asyncio.Task[None] | None = None

    def on_notice(self, notice: Notice) -> None:
        """
        Run the hook that is due.
        """
        if isinstance(notice, WorkloadStarted) and not self._is_up:
            self._is_up = True
            self._run("on-started-leading", self._started)
        elif isinstance(notice, StateChanged) and notice.after in _OVER and self._is_up:
            self._is_up = False
            self._run("on-stopped-leading", self._stopped)

    async def finish(self, *, patience: float) -> None:
        """
        Wait for what still runs, at most ``patience`` seconds.
        """
        if self._last is not None:
            await asyncio.wait([self._last], timeout=patience)
            self._last.cancel()
            await asyncio.wait([self._last])

    def _run(self, name: str, command: Sequence[str]) -> None:
        if command:
            run = self._after(self._last, name, command, dict(self._environ()))
            self._last = asyncio.create_task(run, name=name)

    async def _after(
        self,
        before: asyncio.Task[None] | None,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        error = await run_command(command, environ=environ, timeout=self._timeout)
        if error:
            _logger.warning("the hook %s failed: %s", name, error)
