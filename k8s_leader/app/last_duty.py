"""
What the elector does when its guard is dead or silent: the guard's work.

The workload is killed, the lease renewed meanwhile and never released (design: a guard
that stops acknowledging). Then this process ends, too; the lease expires.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any

from k8s_leader.clock import Clock
from k8s_leader.errors import ExitCode
from k8s_leader.runner.burial import GuardWatch, bury

__all__ = ["LastDuty"]

_logger = logging.getLogger(__name__)


class LastDuty:
    """
    Ends the workload in the guard's place.

    Args:
        clock: boot-time clock.
        kill_time: seconds between the stop signal and SIGKILL.

    Attributes:
        watch: to be told of every acknowledgement.
    """

    def __init__(self, *, clock: Clock, kill_time: float) -> None:
        self.watch = GuardWatch(
            clock=clock, kill_time=kill_time, on_silent=self._guard_silent
        )
        self._hello: Mapping[str, Any] | None = None
        self._burial: asyncio.Task[None] | None = None

    def meet(self, hello: Mapping[str, Any]) -> None:
        """
        Take note of who the guard is, by its own word.

        Our parent may be init already when we ask for it.
        """
        self._hello = hello

    def guard_ended(self) -> None:
        """
        The guard hung up: it is dead, or has closed all it had.
        """
        self._begin("the guard is dead")

    def _guard_silent(self) -> None:
        self._begin("the guard does not answer")

    def _begin(self, why: str) -> None:
        if self._burial is not None:
            return
        _logger.error("%s: its workload is killed, the lease is left to expire", why)
        self._burial = asyncio.create_task(self._bury_and_exit(), name="burial")

    async def _bury_and_exit(self) -> None:
        if self._hello is not None:
            await bury(
                identity=str(self._hello["identity"]),
                guard=int(self._hello["guard"]),
                cgroup=self._hello.get("cgroup"),
            )
        os._exit(int(ExitCode.INTERNAL))
