"""
A workload that is given a moment before it is told to stop of its own free will.

In that moment traffic is led elsewhere: the leader's label goes from the Pod before
the workload goes. Only an orderly stop waits, and never longer than a bound.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from k8s_leader.election.grant import Grant
from k8s_leader.leases.port import Held
from k8s_leader.runner.port import Workload

__all__ = ["FAREWELL", "WorkloadWithFarewell"]

_logger = logging.getLogger(__name__)

FAREWELL = 0.05
"""Seconds that an orderly stop may wait for the farewell."""


class WorkloadWithFarewell:
    """
    The workload port over another one.

    Args:
        workload: what is started and stopped.
        farewell: awaited before an orderly stop; cancelled when it takes too long.
        is_orderly: tells whether the stop under way is voluntary: the lease is kept.
        longest: seconds that the farewell may take.
    """

    def __init__(
        self,
        workload: Workload,
        *,
        farewell: Callable[[], Awaitable[None]],
        is_orderly: Callable[[], bool],
        longest: float = FAREWELL,
    ) -> None:
        self._workload = workload
        self._farewell = farewell
        self._is_orderly = is_orderly
        self._longest = longest
        self._leaving: asyncio.Task[None] | None = None

    def start(self, grant: Grant, held: Held) -> None:
        """
        Start the workload.
        """
        self._forget()
        self._workload.start(grant, held)

    def extend(self, grant: Grant) -> None:
        """
        Hand on a newer grant.
        """
        self._workload.extend(grant)

    def stop(self, *, why: str, budget: float) -> None:
        """
        Stop the workload: after the farewell if that is orderly, else at once.
        """
        self._forget()
        if budget > 0 and self._is_orderly():
            leave = self._leave(why, budget)
            self._leaving = asyncio.create_task(leave, name="workload-farewell")
        else:
            self._workload.stop(why=why, budget=budget)

    async def _leave(self, why: str, budget: float) -> None:
        try:
            async with asyncio.timeout(self._longest):
                await self._farewell()
        except TimeoutError:
            _logger.debug("the farewell took too long")
        except Exception:
            _logger.exception("the farewell failed; the workload is stopped")
        self._workload.stop(why=why, budget=budget)

    def _forget(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
