"""
Kubernetes Events about who leads, on the Lease and on the Pod.

Reason and first words are client-go's, so that what people grep for is there. The
queue is short: what does not fit is dropped, and so is what could not be written
after a few tries.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from k8s_leader.clock import Clock
from k8s_leader.election.events import State
from k8s_leader.errors import LeaseError, LeaseUnavailableError
from k8s_leader.kube.events import Event, ObjectRef
from k8s_leader.observers.cluster.complaint import Complaint
from k8s_leader.observers.port import Notice, StateChanged

__all__ = ["EventSink", "EventWriter"]

_logger = logging.getLogger(__name__)

_REASON = "LeaderElection"
_QUEUE = 16
_TRIES = 3
_CALM = 0.1
"""Seconds from a hand-over until its Events: processors have better things to do."""

_OVER = (State.STANDBY, State.STOPPED)


class EventSink(Protocol):
    """
    The part of the API client that this needs.
    """

    async def create(self, event: Event, *, timeout: float) -> None:
        """
        Write one Event.
        """


class EventWriter:
    """
    Observer that writes Events.

    Args:
        sink: writes them.
        identity: of the candidate.
        about: returns the objects concerned, when something happens: the Lease's uid
            is only known then.
        clock: for the time of an Event.
        timeout: seconds for one request.
        pause: seconds before another try.
        calm: seconds that writing waits after a hand-over.
    """

    def __init__(
        self,
        sink: EventSink,
        *,
        identity: str,
        about: Callable[[], Sequence[ObjectRef]],
        clock: Clock,
        timeout: float = 3.0,
        pause: float = 1.0,
        calm: float = _CALM,
    ) -> None:
        self._sink = sink
        self._identity = identity
        self._about = about
        self._clock = clock
        self._timeout = timeout
        self._pause = pause
        self._calm = calm
        self._not_before = 0.0
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_QUEUE)
        self._in_term = False
        self._was_lost = False
        self._complaint = Complaint("writing Events", switch="--no-events")

    def on_notice(self, notice: Notice) -> None:
        """
        Take note of the beginning and the end of a term.
        """
        if not isinstance(notice, StateChanged):
            return
        if notice.after is State.LEADING:
            resumed = notice.before is State.IDLE
            self._in_term, self._was_lost = True, False
            if not resumed:
                self._say("Normal", "became leader", "")
        elif notice.after is State.LOSING:
            self._was_lost = True
        elif notice.after in _OVER and self._in_term:
            self._in_term = False
            kind: Literal["Normal", "Warning"] = "Normal"
            if self._was_lost:
                kind = "Warning"
            self._say(kind, "stopped leading", notice.reason)

    async def run(self) -> None:
        """
        Write Events until cancelled.
        """
        while True:
            event = await self._queue.get()
            try:
                await asyncio.sleep(self._not_before - self._clock.now())
                await self._write(event)
            finally:
                self._queue.task_done()

    async def settle(self) -> None:
        """
        Wait until everything is written or given up; the caller bounds it.
        """
        if not self._complaint.is_standing:
            await self._queue.join()

    def _say(self, kind: Literal["Normal", "Warning"], what: str, why: str) -> None:
        self._not_before = self._clock.now() + self._calm
        reason = f" ({why})" if why else ""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock.wall()))
        for about in self._about():
            event = Event(
                about=about,
                kind=kind,
                reason=_REASON,
                message=f"{self._identity} {what}{reason}",
                at=at,
                instance=self._identity,
            )
            try:
                self._queue.put_nowait(event)
            except asyncio.QueueFull:
                _logger.debug("an Event was dropped: %s are waiting", _QUEUE)

    async def _write(self, event: Event) -> None:
        for attempt in range(_TRIES):
            try:
                await self._sink.create(event, timeout=self._timeout)
            except LeaseUnavailableError as error:
                self._complaint.failed(error)
                await asyncio.sleep(self._pause * 2**attempt)
            except LeaseError as error:
                self._complaint.failed(error)
                return
            else:
                self._complaint.worked()
                return
