"""
A candidate inside an asyncio application.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, Unpack

from k8s_leader.app.managers import plan_manager
from k8s_leader.app.options import (
    Options,
    StopToken,
    check_options,
    checked_identity,
    checked_interval,
    checked_priority,
    timing_of,
)
from k8s_leader.app.showing import Showing
from k8s_leader.clock import SystemClock
from k8s_leader.election.events import Event, Stop
from k8s_leader.errors import HeartbeatError, SettingsError
from k8s_leader.leases.port import LeaseManager
from k8s_leader.observers.apart import Apart, finish
from k8s_leader.runner.hardstop import hard_stop
from k8s_leader.runner.heartbeat import beat
from k8s_leader.runner.inprocess import InProcessWorkload
from k8s_leader.runner.term import Signal, Term, call_in
from k8s_leader.runner.thread import ElectionThread

__all__ = ["Candidate", "campaign"]

_logger = logging.getLogger(__name__)


_HEARTBEAT_PATIENCE = 5.0
"""Seconds that a heartbeat may take to end when the candidate leaves."""

_OBSERVER_PATIENCE = 1.0
"""Seconds that observers may take to hear of the end when the candidate leaves."""

_LOOK_UP = 1.0
"""How often a thread that waits for a stop token sees whether it is still needed."""


class Candidate:
    """
    Competes for a lease while its ``async with`` block runs; see :func:`campaign`.
    """

    def __init__(self, lease: str | None, options: Options) -> None:
        check_options(options)
        self.identity = f"{checked_identity(options)}_{uuid.uuid4()}"
        self._options = options
        runtime = options.get("runtime")
        self._clock = SystemClock()
        self._stop = Signal()
        timing = timing_of(options)
        self._beat_every = checked_interval(options)
        self._plan = plan_manager(
            lease,
            options.get("manager"),
            identity=self.identity,
            clock=self._clock,
            timing=timing,
            kubeconfig=options.get("kubeconfig"),
            context=options.get("context"),
            may_create=options.get("lease_create", True),
            priority=checked_priority(options),
            runtime=runtime,
        )
        self._showing = Showing(
            options, identity=self.identity, clock=self._clock, timing=timing
        )
        self._apart = tuple(Apart(one) for one in options.get("observers", ()))
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
            open_manager=self._open,
            workload=self._workload,
            clock=self._clock,
            timing=lambda: timing_of(options),
            observers=(self._showing, *self._apart),
            on_end=self._ended,
            run_in=None if runtime is None else runtime.start,
        )
        self._terms: asyncio.Queue[Term | None] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = Signal()
        self._fault: BaseException | None = None
        self._current: Term | None = None
        self._beat: asyncio.Task[None] | None = None
        self._stopper: asyncio.Task[bool] | None = None

    @property
    def is_leader(self) -> bool:
        """
        Tell whether this candidate leads now; cheap, from any thread.
        """
        return self._workload.is_leader

    @property
    def http_url(self) -> str:
        """
        Return where ``http=`` is served, without a path; empty: nowhere.
        """
        return self._showing.url

    def stop(self) -> None:
        """
        Leave: stop the workload, release the lease; a second call kills. Thread-safe.
        """
        if self._workload.forked:
            return  # the candidacy is the parent's, and its locks may be held for ever
        self._stop.set()
        self._thread.report(Stop())

    def stop_once(self) -> None:
        """
        Leave, unless that was asked for already: a second :meth:`stop` would kill.
        """
        if not self._stop.is_set():
            self.stop()

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
        self._check_entered()
        while (term := await self._terms.get()) is not None:
            if self._workload.take(term):
                self._current = term
                self._tell_elected(term)
                return term
        self._terms.put_nowait(None)
        if self._fault is not None:
            raise self._fault
        raise StopAsyncIteration

    def lend(self, term: Term) -> InProcessWorkload:
        """
        Let any number of calls work under a term instead of one body (for the runner).

        Returns:
            where each of them takes the term, and leaves it again.
        """
        term.entered = True
        self._workload.leave(term)
        return self._workload

    def _check_entered(self) -> None:
        """
        Demand `async with term`: only its end says that nothing works any more.
        """
        if self._current is not None and not self._current.entered:
            raise RuntimeError("a term was not entered: `async with term:` is missing")
        self._current = None

    async def __aenter__(self) -> Self:
        self._showing.bind()
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        self._obey(self._options.get("stop"))
        heartbeat = self._options.get("heartbeat")
        if heartbeat is not None:
            work = beat(
                heartbeat,
                every=self._beat_every,
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
        self.stop_once()
        await self._over
        if self._apart:
            await asyncio.to_thread(finish, self._apart, patience=_OBSERVER_PATIENCE)
        if self._stopper is not None:
            self._stopper.cancel()
        if isinstance(token := self._options.get("stop"), Signal):
            token.remove_callback(self.stop_once)
        await self._end_heartbeat()
        if self._fault is not None and error is None:
            raise self._fault

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[LeaseManager]:
        async with self._plan.open() as opened:
            with self._showing.of(opened):
                yield opened.manager

    def _finish_current(self) -> None:
        term, self._current = self._current, None
        if term is not None and not term.entered:  # nothing was begun under it
            self._workload.finish(term)

    async def _end_heartbeat(self) -> None:
        if self._beat is None:
            return
        _, hanging = await asyncio.wait([self._beat], timeout=_HEARTBEAT_PATIENCE)
        if hanging:
            _logger.error("the heartbeat does not end: it is left behind")
            self._beat.cancel()

    def _tell_elected(self, term: Term) -> None:
        """
        Call the user's `on_leader_elected` now, and when the term is over.
        """
        callback, loop = self._options.get("on_leader_elected"), self._loop
        if callback is None or loop is None:
            return

        def tell(elected: bool) -> None:  # the shape of the callback
            try:
                callback(elected)
            except Exception:
                _logger.exception("on_leader_elected failed; the election goes on")

        tell(True)
        term.lost.add_callback(lambda: call_in(loop, lambda: tell(False)))

    def _beaten(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, HeartbeatError):
            self._fault = self._fault or error
            self.stop()

    def _obey(self, token: StopToken | None) -> None:
        """
        Leave when the user's stop token is set.
        """
        if isinstance(token, Signal):
            token.add_callback(self.stop_once)
        elif isinstance(token, threading.Event):
            threading.Thread(
                target=self._obey_event, args=(token,), daemon=True
            ).start()
        elif token is not None:
            self._stopper = asyncio.create_task(token.wait(), name="leader-stop")
            self._stopper.add_done_callback(self._stopped)

    def _obey_event(self, token: threading.Event) -> None:
        while not token.wait(_LOOK_UP):
            if self._over.is_set():
                return
        self.stop_once()

    def _stopped(self, task: asyncio.Task[bool]) -> None:
        if not task.cancelled():
            self.stop_once()

    def _deliver(self, term: Term) -> None:
        if self._loop is not None:
            call_in(self._loop, lambda: self._terms.put_nowait(term))

    def _ended(self, error: BaseException | None) -> None:
        self._fault = self._fault or error
        self._workload.abandon()
        self._showing.close()
        if self._loop is not None:
            call_in(self._loop, lambda: self._terms.put_nowait(None))
        self._over.set()

    def _report(self, event: Event) -> None:
        self._thread.report(event)


def campaign(*, lease: str | None = None, **options: Unpack[Options]) -> Candidate:
    """
    Return a candidate, to be entered with ``async with``.

    Args:
        lease: ``NAME``, ``NAMESPACE/NAME``, ``sqlite:PATH`` or ``memory:``.
        **options: see :class:`~k8s_leader.app.options.Options`.

    Raises:
        SettingsError: a setting cannot work; nothing was started.
    """
    return Candidate(lease, options)
