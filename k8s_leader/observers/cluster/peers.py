"""
The list of candidates for whoever looks at the status, from any thread.

Nobody waits for it: who looks is shown what is known, and the looking itself asks for
news. Without anybody who looks nothing is asked for and no right is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict
from typing import Any, Final

from k8s_leader.clock import Clock
from k8s_leader.errors import LeaseError, LeaseForbiddenError
from k8s_leader.observers.cluster.candidates import PodFinder, candidates
from k8s_leader.observers.cluster.complaint import Complaint

__all__ = ["Peers"]

_FRESH: Final = 10.0
"""Seconds for which an answer is news; at most one request in that time."""

_DENIED: Final = 300.0
"""Seconds until a right that is missing is tried again."""


class Peers:
    """
    Knows the candidates of one lease, this one included.

    To be made, and its requests to run, in the running event loop.

    Args:
        pods: lists Pods, over connections that no renewal uses.
        namespace: of the lease.
        lease: its name.
        pod_namespace: where the candidates' Pods are.
        clock: boot-time clock.
    """

    def __init__(
        self,
        pods: PodFinder,
        *,
        namespace: str,
        lease: str,
        pod_namespace: str,
        clock: Clock,
    ) -> None:
        self._pods = pods
        self._namespace = namespace
        self._lease = lease
        self._pod_namespace = pod_namespace
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._known: list[dict[str, Any]] | None = None
        self._next = clock.now()
        self._task: asyncio.Task[None] | None = None
        self._complaint = Complaint(
            "the list of candidates", switch="--pod-label=false"
        )

    def __call__(self) -> list[dict[str, Any]] | None:
        """
        Return what is known, from any thread; ``None`` before the first answer.
        """
        with contextlib.suppress(RuntimeError):  # the loop is over
            self._loop.call_soon_threadsafe(self._look)
        return self._known

    async def close(self) -> None:
        """
        Give up a request that is under way; ask for nothing any more.
        """
        self._next = float("inf")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _look(self) -> None:
        if self._clock.now() < self._next:
            return
        self._next = self._clock.now() + _FRESH
        self._task = asyncio.create_task(self._ask(), name="peers")

    async def _ask(self) -> None:
        try:
            found = await candidates(
                self._pods,
                namespace=self._namespace,
                lease=self._lease,
                pod_namespace=self._pod_namespace,
            )
        except LeaseError as error:
            self._known = None
            if isinstance(error, LeaseForbiddenError):
                self._next = self._clock.now() + _DENIED
            self._complaint.failed(error)
            return
        self._complaint.worked()
        self._known = [asdict(candidate) for candidate in found]
