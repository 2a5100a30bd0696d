"""
A workload in this process: terms that are handed out, taken and finished.

Commands come from the election's thread; :meth:`InProcessWorkload.take` and
:meth:`InProcessWorkload.finish` come from the user's. The hard stop is armed while,
and only while, something of a term may run.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable
from functools import cache

from k8s_leader.clock import Clock
from k8s_leader.election.events import Event, WorkloadGone
from k8s_leader.election.grant import Grant
from k8s_leader.leases.port import Held
from k8s_leader.runner.hardstop import HardStop
from k8s_leader.runner.term import Term

__all__ = ["LAST_WORDS", "InProcessWorkload"]

_logger = logging.getLogger(__name__)

LAST_WORDS = 0.01
"""
What "at once" means in-process (seconds): the time to log why, no grace (rule S3).

The kernel's timer runs while the line is written, so a full stderr delays nothing. A
workload that ends within it, as an idle coroutine does, needs no kill.
"""

_NEVER = float("inf")


class InProcessWorkload:
    """
    The workload port for coroutines and functions of this process.

    Args:
        identity: of the candidate.
        clock: boot-time clock.
        deliver: called in the election's thread with each new term.
        report: thread-safe way to the election.
        hard_stop: ends the process when a term's end is ignored; ``None``: never,
            the user chose to carry on.
        backoff: seconds to stay out after a workload that ended by itself.
    """

    def __init__(
        self,
        *,
        identity: str,
        clock: Clock,
        deliver: Callable[[Term], None],
        report: Callable[[Event], None],
        hard_stop: HardStop | None,
        backoff: float,
    ) -> None:
        self.identity = identity
        self._clock = clock
        self._deliver = deliver
        self._report = report
        self._hard_stop = hard_stop
        self._backoff = backoff
        self._lock = threading.Lock()
        self._term: Term | None = None
        self._users = 0
        self._ending = False
        self._kill_at = _NEVER
        self.forked = False
        _living().add(self)

    @property
    def is_leader(self) -> bool:
        """
        Tell whether a term runs and its grant has not ended; cheap, any thread.
        """
        term = self._term
        return term is not None and term.remaining() > 0.0

    # -- the election's side -----------------------------------------------------

    def start(self, grant: Grant, held: Held) -> None:
        """
        Hand out a new term.
        """
        term = Term(grant=grant, identity=self.identity, clock=self._clock, owner=self)
        with self._lock:
            self._term, self._users, self._ending = term, 0, False
            self._kill_at = _NEVER
        self._deliver(term)

    def extend(self, grant: Grant) -> None:
        """
        Move the end of the grant, and the hard stop with it.
        """
        with self._lock:
            if self._term is not None:
                self._term.extend(grant)
                self._arm()

    def stop(self, *, why: str, budget: float) -> None:
        """
        End the term; its workload is killed ``budget`` seconds later.
        """
        with self._lock:
            term = self._term
            if term is None:
                return
            kill_at = self._clock.now() + max(budget, LAST_WORDS)
            self._kill_at = min(self._kill_at, kill_at)
            self._arm()
            self._ending = True  # from here on nobody begins to work under it
            idle = self._users == 0
        term.lost.set()
        if idle:
            self.finish(term)
        elif budget == 0.0 and self._hard_stop is not None:
            _logger.warning("%s: what works under this term is killed now", why)

    def _arm(self) -> None:
        if self._hard_stop is not None and self._term is not None and self._users:
            self._hard_stop.arm(min(self._term.grant.until, self._kill_at))

    # -- the user's side ---------------------------------------------------------

    def take(self, term: Term) -> bool:
        """
        Begin to work under a term; ``False`` when it has ended meanwhile.
        """
        with self._lock:
            if self._term is not term or self._ending or term.remaining() <= 0.0:
                return False
            self._users += 1
            self._arm()
        return True

    def leave(self, term: Term) -> None:
        """
        Take note that one user has done its work; the term goes on without it.

        The last user of a term that is ending finishes it.
        """
        with self._lock:
            if self._term is not term:
                return
            self._users -= 1
            if self._users:
                return
            if self._hard_stop is not None:
                self._hard_stop.disarm()
            ending = self._ending
        if ending:
            self.finish(term)

    def finish(self, term: Term) -> None:
        """
        Take note that nothing of this term runs any more; again has no effect.
        """
        if self.forked:
            return  # the lease is the parent's
        with self._lock:
            if self._term is not term:
                return
            self._term, self._users = None, 0
            if self._hard_stop is not None:
                self._hard_stop.disarm()
        ended = term.lost.is_set()
        term.lost.set()
        self._report(WorkloadGone(backoff=0.0 if ended else self._backoff))

    def abandon(self) -> None:
        """
        End an untaken term when there is no election any more.
        """
        with self._lock:
            term = self._term
        if term is not None:
            term.lost.set()

    def forget_in_forked_child(self) -> None:
        """
        In a forked child every term is lost and nothing is released.
        """
        self.forked = True
        self._lock = threading.Lock()
        term, self._term = self._term, None
        self._hard_stop = None  # timers are not inherited
        if term is not None:
            term.lost.set_in_forked_child()


@cache
def _living() -> weakref.WeakSet[InProcessWorkload]:
    """
    Return the workloads of this process; one set, as a fork copies them all.
    """
    living: weakref.WeakSet[InProcessWorkload] = weakref.WeakSet()

    def forked() -> None:
        for workload in list(living):
            with contextlib.suppress(Exception):
                workload.forget_in_forked_child()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forked)
    return living
