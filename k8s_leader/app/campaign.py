"""
A candidate inside an asyncio application.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self, TypedDict, Unpack

from k8s_leader.app.managers import OwnManager, plan_manager
from k8s_leader.clock import SystemClock
from k8s_leader.election.events import Event, Stop
from k8s_leader.election.timing import Timing
from k8s_leader.errors import HeartbeatError, SettingsError
from k8s_leader.runner.hardstop import hard_stop
from k8s_leader.runner.heartbeat import Heartbeat, beat
from k8s_leader.runner.inprocess import InProcessWorkload
from k8s_leader.runner.term import Signal, Term, call_in
from k8s_leader.runner.thread import ElectionThread

__all__ = ["Candidate", "Options", "campaign"]


class Options(TypedDict, total=False):
    """
    What can be said about a candidacy; all times in seconds.
    """

    manager: OwnManager | None
    identity: str | None
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
    on_loss: Literal["kill", "carry-on"]
    kubeconfig: str | None
    context: str | None


class Candidate:
    """
    Competes for a lease while its ``async with`` block runs; see :func:`campaign`.
    """

    def __init__(self, lease: str | None, options: Options) -> None:
        prefix = options.get("identity") or os.environ.get("POD_NAME")
        self.identity = f"{prefix or socket.gethostname()}_{uuid.uuid4()}"
        self._options = options
        self._clock = SystemClock()
        self._stop = Signal()
        timing = self._timing()
        self._plan = plan_manager(
            lease,
            options.get("manager"),
            identity=self.identity,
            clock=self._clock,
            timing=timing,
            kubeconfig=options.get("kubeconfig"),
            context=options.get("context"),
        )
        kill = options.get("on_loss", "kill") == "kill"
        self._workload = InProcessWorkload(
            identity=self.identity,
            clock=self._clock,
            deliver=self._deliver,
            report=self._report,
            hard_stop=hard_stop(clock=self._clock) if kill else None,
            backoff=min(1.0, timing.retry_period),
        )
        self._thread = ElectionThread(
            open_manager=self._plan.open,
            workload=self._workload,
            clock=self._clock,
            timing=self._timing,
            on_end=self._ended,
        )
        self._terms: asyncio.Queue[Term | None] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = Signal()
        self._fault: BaseException | None = None
        self._current: Term | None = None
        self._beat: asyncio.Task[None] | None = None

    @property
    def is_leader(self) -> bool:
        """
        Tell whether this candidate leads now; cheap, from any thread.
        """
        return self._workload.is_leader

    def stop(self) -> None:
        """
        Leave: stop the workload, release the lease; a second call kills. Thread-safe.
        """
        self._stop.set()
        self._thread.report(Stop())

    def assign_leader(self, identity: str | None = None) -> None:
        """
        On a memory lease: let only ``identity`` (this candidate) lead from now on.

        Raises:
            SettingsError: the lease is not in memory.
        """
        if self._plan.memory is None:
            raise SettingsError(
                "lease", None, allowed="memory: for assign_leader", fix="use memory:"
            )
        self._plan.memory.assign_leader(identity or self.identity)

    def terms(self) -> Self:
        """
        Return an iterator over this candidate's terms; it ends when stopped.
        """
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Term:
        self._finish_current()
        while (term := await self._terms.get()) is not None:
            if self._workload.take(term):
                self._current = term
                return term
        self._terms.put_nowait(None)
        if self._fault is not None:
            raise self._fault
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        heartbeat = self._options.get("heartbeat")
        if heartbeat is not None:
            work = beat(
                heartbeat,
                every=self._options.get("heartbeat_every", 30.0),
                is_leader=lambda: self.is_leader,
                token=self._stop,
            )
            self._beat = asyncio.create_task(work, name="leader-heartbeat")
            self._beat.add_done_callback(self._beaten)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finish_current()
        if self._workload.forked:
            return
        if not self._stop.is_set():
            self.stop()
        await self._over
        if self._beat is not None:
            await asyncio.wait([self._beat])
        if self._fault is not None and error is None:
            raise self._fault

    def _finish_current(self) -> None:
        term, self._current = self._current, None
        if term is not None:
            self._workload.finish(term)

    def _beaten(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, HeartbeatError):
            self._fault = self._fault or error
            self.stop()

    def _deliver(self, term: Term) -> None:
        if self._loop is not None:
            call_in(self._loop, lambda: self._terms.put_nowait(term))

    def _ended(self, error: BaseException | None) -> None:
        self._fault = self._fault or error
        self._workload.abandon()
        if self._loop is not None:
            call_in(self._loop, lambda: self._terms.put_nowait(None))
        self._over.set()

    def _report(self, event: Event) -> None:
        self._thread.report(event)

    def _timing(self) -> Timing:
        given = self._options
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


def campaign(*, lease: str | None = None, **options: Unpack[Options]) -> Candidate:
    """
    Return a candidate, to be entered with ``async with``.

    Args:
        lease: ``NAME``, ``NAMESPACE/NAME``, ``sqlite:PATH`` or ``memory:``.
        **options: see :class:`Options`.

    Raises:
        SettingsError: a setting cannot work; nothing was started.
    """
    return Candidate(lease, options)
