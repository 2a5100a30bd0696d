"""
A candidacy that stands while calls come and go: each works under the term of the day.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING

from k8s_leader.app.campaign import campaign
from k8s_leader.app.options import Options, timing_of
from k8s_leader.election.events import State
from k8s_leader.errors import SettingsError
from k8s_leader.observers.port import Notice, StateChanged
from k8s_leader.runner.term import Signal, Term
from k8s_leader.values import dataclass

if TYPE_CHECKING:
    from k8s_leader.runner.inprocess import InProcessWorkload

__all__ = ["Standing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Glance:
    """
    What a call finds: a term, or something to wait for, or neither.
    """

    term: Term | None = None
    changed: Signal | None = None
    timeout: float | None = None


class Standing:
    """
    A candidate in a thread of its own, and the calls that work under its terms.

    Args:
        lease: as for :func:`~k8s_leader.app.campaign.campaign`.
        options: the same.

    Raises:
        SettingsError: a setting cannot work; nothing was started.
    """

    def __init__(self, lease: str | None, options: Options) -> None:
        if isinstance(options.get("stop"), asyncio.Event):
            raise SettingsError(
                "stop",
                "asyncio.Event",
                allowed="threading.Event or Signal: calls come from any thread",
                fix="give one of these to leader_only",
            )
        timing = timing_of(options)
        self._patience = timing.stop_timeout + timing.lease_duration
        self._lock = threading.Lock()
        self._changed = Signal()
        self._decided = False
        self._over = False
        self._fault: BaseException | None = None
        self._term: Term | None = None
        self._workload: InProcessWorkload | None = None
        heard = (*options.get("observers", ()), self)
        given: Options = {**options, "observers": heard}
        self.candidate = campaign(lease=lease, **given)
        self.pid = os.getpid()
        self._thread = threading.Thread(
            target=self._run, name="k8s-leader-standing", daemon=True
        )
        self._thread.start()

    # -- calls -------------------------------------------------------------------

    def take(self, wait: float | None) -> Term | None:
        """
        Return a term to work under until :meth:`leave`; ``None`` when it is not ours.

        Args:
            wait: seconds to wait for leadership; ``None``: as long as it takes. The
                outcome of the first attempt is always waited for.

        Raises:
            LeaderError: the candidacy ended with a fault.
        """
        deadline = _deadline(wait)
        while (glance := self._look(deadline)).changed is not None:
            glance.changed.wait(glance.timeout)
        return glance.term

    async def take_async(self, wait: float | None) -> Term | None:
        """
        Do the same as :meth:`take` without blocking the event loop.
        """
        deadline = _deadline(wait)
        while (glance := self._look(deadline)).changed is not None:
            try:
                async with asyncio.timeout(glance.timeout):
                    await glance.changed
            except TimeoutError:
                continue
        return glance.term

    def leave(self, term: Term) -> None:
        """
        Take note that a call's work is done.
        """
        if self._workload is not None:
            self._workload.leave(term)

    def close(self) -> None:
        """
        Stop, and wait until the calls have returned and the lease is released.
        """
        if self.pid != os.getpid():
            return  # the candidacy is the parent's
        self.candidate.stop_once()
        self._thread.join(self._patience)

    def _look(self, deadline: float | None) -> _Glance:
        with self._lock:
            term, workload, changed = self._term, self._workload, self._changed
            over, fault, decided = self._over, self._fault, self._decided
        if term is not None and workload is not None and workload.take(term):
            return _Glance(term=term)
        if fault is not None:
            raise fault
        if over:
            return _Glance()
        left = None
        if decided and deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0.0:
                return _Glance()
        return _Glance(changed=changed, timeout=left)

    # -- the candidacy -----------------------------------------------------------

    def on_notice(self, notice: Notice) -> None:
        """
        Hear that somebody else leads, or that the store does not answer.
        """
        if isinstance(notice, StateChanged) and notice.after is State.STANDBY:
            self._note(decided=True)

    def _run(self) -> None:
        fault = None
        try:
            asyncio.run(self._campaign())
        except BaseException as exc:  # noqa: BLE001  # it surfaces from the calls
            fault = exc
        with self._lock:
            self._fault = fault
        self._note(over=True)

    async def _campaign(self) -> None:
        async with self.candidate as candidate:
            async for term in candidate.terms():
                workload = candidate.lend(term)
                with self._lock:
                    self._workload, self._term = workload, term
                self._note(decided=True)
                await term.lost
                with self._lock:
                    self._term = None

    def _note(self, *, decided: bool = False, over: bool = False) -> None:
        """
        Wake whoever waits, to look again.
        """
        with self._lock:
            self._decided = self._decided or decided or over
            self._over = self._over or over
            changed, self._changed = self._changed, Signal()
        changed.set()


def _deadline(wait: float | None) -> float | None:
    return None if wait is None else time.monotonic() + wait
