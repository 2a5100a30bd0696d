"""
What the guard tells its elector: kept until it can be heard, then made events.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from k8s_leader.election import events as ev
from k8s_leader.election.events import State
from k8s_leader.election.timing import Timing
from k8s_leader.observers.port import ClockJumped, WorkloadExited, WorkloadStarted
from k8s_leader.runner.burial import GuardWatch
from k8s_leader.runner.guarded import GuardedWorkload, Message
from k8s_leader.runner.loop import ElectionLoop

__all__ = ["Hearing", "Inbox"]

_logger = logging.getLogger(__name__)
_OF_NO_TERM = frozenset({"stopping", "doubt"})  # still news when the term is over


class Inbox:
    """
    The guard's words, kept until there is an election that can hear them.
    """

    def __init__(self) -> None:
        self._kept: list[Message] = []
        self._came = asyncio.Event()
        self._hear: Callable[[Message], None] | None = None

    def put(self, message: Message) -> None:
        """
        Take a message in; it is heard at once if somebody listens.
        """
        if self._hear is None:
            self._kept.append(message)
            self._came.set()
        else:
            self._hear(message)

    async def gone(self) -> None:
        """
        Wait until the guard said that nothing runs; that is then no news any more.
        """
        while not any(message["type"] == "gone" for message in self._kept):
            self._came.clear()
            await self._came.wait()
        self._kept = [m for m in self._kept if m["type"] in _OF_NO_TERM]

    def open(self, hear: Callable[[Message], None]) -> None:
        """
        Have everything heard, what was kept first.
        """
        self._hear = hear
        for message in self._kept:
            hear(message)


class Hearing:
    """
    Turns the guard's words into events of the election.

    Args:
        loop: the election.
        workload: whose grants the guard acknowledges.
        watch: over the guard.
        timing: of the election.
        one_term: a workload that ends by itself ends the candidacy.
    """

    def __init__(
        self,
        loop: ElectionLoop,
        *,
        workload: GuardedWorkload,
        watch: GuardWatch,
        timing: Timing,
        one_term: bool,
    ) -> None:
        self._loop = loop
        self._workload = workload
        self._watch = watch
        self._timing = timing
        self._one_term = one_term

    def hear(self, message: Message) -> None:
        """
        Act on a message; one of an unknown kind means nothing.
        """
        kind, loop = message.get("type"), self._loop
        if kind in ("started", "ack"):
            self._acknowledged(message)
            if kind == "started":
                self.tell_started(message.get("token"), message.get("pid"))
        elif kind == "doubt":
            loop.tell(ClockJumped())
            loop.report(ev.Doubt(), reason="the wall clock jumped")
        elif kind == "stopping":
            loop.report(ev.Stop(), reason=str(message.get("why", "signal")))
        elif kind == "refused":
            _logger.error("the guard refused to start: %s", message.get("reason"))
            self._report_gone(self._timing.retry_period)
        elif kind == "gone":
            self._gone(message)
        elif kind == "stuck":
            _logger.error("the workload cannot be killed: %s", message.get("pids"))
            loop.report(ev.WorkloadStuck(), reason="stuck")

    def tell_started(self, token: int | None, pid: int | None) -> None:
        """
        Tell the observers that the workload runs.
        """
        self._loop.tell(WorkloadStarted(token=token, pid=pid))

    def _gone(self, message: Message) -> None:
        self._watch.gone()
        token, code = message.get("token"), message.get("code")
        self._loop.tell(WorkloadExited(token=token, code=code))
        by_itself = self._loop.election.state is State.LEADING
        loops = message.get("crash_loop")
        timing = self._timing
        self._report_gone(timing.lease_duration if loops else timing.retry_period)
        if by_itself and self._one_term:
            self._loop.report(ev.Stop(), reason="the workload ended")

    def _report_gone(self, backoff: float) -> None:
        election = self._loop.election
        if election.grant is None:
            return
        by_itself = election.state is State.LEADING
        reason = "the workload ended" if by_itself else ""  # else why it was stopped
        self._loop.report(ev.WorkloadGone(backoff=backoff), reason=reason)

    def _acknowledged(self, message: Message) -> None:
        asked = self._workload.asked
        if asked is not None and message.get("until", asked.until) == asked.until:
            self._watch.acknowledged(asked)
