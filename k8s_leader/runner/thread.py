"""
An election in a thread apart from the application's, with an event loop of its own.

A blocked application loop cannot lose the lease: renewals run here. The thread is the
election's own, or a runtime's that several elections share.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager

from k8s_leader.clock import Clock
from k8s_leader.election.events import Event
from k8s_leader.election.timing import Timing
from k8s_leader.leases.port import LeaseManager
from k8s_leader.observers.port import Observer
from k8s_leader.runner.loop import ElectionLoop
from k8s_leader.runner.port import Workload
from k8s_leader.runner.term import call_in

__all__ = ["ElectionThread", "Main"]

_logger = logging.getLogger(__name__)

Main = Callable[[], Coroutine[None, None, None]]
"""An election, to be run in whichever loop calls it; it raises nothing."""

OpenManager = Callable[[], AbstractAsyncContextManager[LeaseManager]]


class ElectionThread:
    """
    Runs one candidacy until ``Stop`` was reported and everything is done.

    Args:
        open_manager: opens the lease's manager in this thread's loop.
        workload: what runs during a term.
        clock: boot-time clock.
        timing: called before each acquisition.
        observers: told what happens, in this thread.
        on_end: called last, in that thread, with the error or ``None``.
        run_in: runs it in a loop that exists; ``None``: in a thread of its own.
    """

    def __init__(
        self,
        *,
        open_manager: OpenManager,
        workload: Workload,
        clock: Clock,
        timing: Callable[[], Timing],
        observers: Sequence[Observer] = (),
        on_end: Callable[[BaseException | None], None],
        run_in: Callable[[Main], None] | None = None,
    ) -> None:
        self._open = open_manager
        self._workload = workload
        self._clock = clock
        self._timing = timing
        self._observers = observers
        self._on_end = on_end
        self._lock = threading.Lock()
        self._early: list[Event] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._election: ElectionLoop | None = None
        self._run_in = run_in or _in_own_thread

    def start(self) -> None:
        """
        Begin to campaign.
        """
        self._run_in(self._run)

    def report(self, event: Event) -> None:
        """
        Take in an event from any thread; one that comes too late has no effect.
        """
        with self._lock:
            loop, election = self._loop, self._election
            if loop is None or election is None:
                self._early.append(event)
                return
        call_in(loop, lambda: election.report(event))

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            await self._campaign()
        except BaseException as exc:  # noqa: BLE001  # it surfaces in the user's thread
            error = exc
        self._on_end(error)

    async def _campaign(self) -> None:
        async with self._open() as manager:
            election = ElectionLoop(
                manager=manager,
                workload=self._workload,
                clock=self._clock,
                timing=self._timing,
                observers=self._observers,
            )
            loop = asyncio.get_running_loop()
            with self._lock:
                self._loop, self._election = loop, election
                early, self._early = self._early, []
            for event in early:  # after the beginning, which is run()'s first step
                loop.call_soon(election.report, event)
            await election.run()


def _in_own_thread(main: Main) -> None:
    # A daemon: an application that ends without leaving loses the lease by expiry.
    threading.Thread(
        target=lambda: asyncio.run(main()), name="k8s-leader-election", daemon=True
    ).start()
