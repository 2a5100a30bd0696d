"""
A decorator for what schedulers and commands call: only the leader runs it.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import os
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, overload

from k8s_leader.app.options import Options
from k8s_leader.app.standing import Standing
from k8s_leader.errors import LeadershipLostError
from k8s_leader.runner.daemon import is_async
from k8s_leader.runner.term import Body, Term

__all__ = ["LeaderOnly", "at_exit", "leader_only"]

P = ParamSpec("P")
T = TypeVar("T")


class LeaderOnly:
    """
    A decorator, and the one candidacy behind everything that it decorates.

    The candidacy begins with the first call (or ``with``, or :meth:`start`) and stands
    between calls: the leader stays the leader until its process ends. So replicas whose
    schedulers go off at the same time run a job once, not one after the other. A forked
    child has a candidacy of its own.

    Not guaranteed: that a job runs. When the leader dies in the middle of one, nobody
    runs it again before the next call.
    """

    def __init__(
        self, lease: str | None, *, wait: float | None, options: Options
    ) -> None:
        self._lease = lease
        self._wait = wait
        self._options = options
        self._lock = threading.Lock()
        self._standing: Standing | None = None

    @overload
    def __call__(
        self, function: Callable[Concatenate[Term, P], Coroutine[Any, Any, T]]
    ) -> Callable[P, Coroutine[Any, Any, T | None]]: ...

    @overload
    def __call__(
        self, function: Callable[Concatenate[Term, P], T]
    ) -> Callable[P, T | None]: ...

    def __call__(self, function: Callable[Concatenate[Term, P], Any]) -> Any:
        """
        Decorate a function, plain or a coroutine function.
        """
        return self._async(function) if is_async(function) else self._plain(function)

    @property
    def is_leader(self) -> bool:
        """
        Tell whether this process leads now; cheap. ``False`` before it campaigns.
        """
        standing = self._standing
        return standing is not None and standing.candidate.is_leader

    def start(self) -> Standing:
        """
        Begin to campaign, if that was not done yet.

        Raises:
            SettingsError: a setting cannot work; nothing was started.
        """
        standing = self._standing
        if standing is None or standing.pid != os.getpid():
            with self._lock:
                standing = self._standing
                if standing is None or standing.pid != os.getpid():
                    self._standing = standing = Standing(self._lease, self._options)
                    at_exit(standing.close)
        return standing

    def stop(self) -> None:
        """
        Leave without waiting: calls in progress are told, later ones are skipped.
        """
        self.start().candidate.stop()

    def close(self) -> None:
        """
        Leave, and wait until calls have returned and the lease is released.

        Not to be called from inside a decorated function: it would wait for itself.
        """
        self.start().close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _plain(
        self, function: Callable[Concatenate[Term, P], T]
    ) -> Callable[P, T | None]:
        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> T | None:
            standing = self.start()
            term = standing.take(self._wait)
            if term is None:
                return None
            try:
                return function(term, *args, **kwargs)
            finally:
                standing.leave(term)

        return called

    def _async(
        self, function: Callable[Concatenate[Term, P], Any]
    ) -> Callable[P, Coroutine[Any, Any, Any]]:
        @functools.wraps(function)
        async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            standing = self.start()
            term = await standing.take_async(self._wait)
            if term is None:
                return None
            try:
                async with Body(term.lost):
                    return await function(term, *args, **kwargs)
                raise LeadershipLostError("the term ended before the work did")
            finally:
                standing.leave(term)

        return awaited


def at_exit(close: Callable[[], None]) -> None:
    """
    Call it when the main thread ends, while worker threads can still be asked.

    Handlers of ``atexit`` come too late: executors, with which a lease is released,
    have been shut down by then. They do it in a handler that their import registers,
    and the last one registered is called first.
    """
    importlib.import_module("concurrent.futures.thread")
    getattr(threading, "_register_atexit", atexit.register)(close)


def leader_only(
    *,
    lease: str | None = None,
    wait: float | None = 0.0,
    **options: Unpack[Options],
) -> LeaderOnly:
    """
    Decorate functions that only the leader may run; they get the term first.

    ::

        jobs = k8s_leader.leader_only(lease="jobs")

        @jobs
        def nightly(term): ...

        scheduler.add_job(nightly, "cron", hour=2)

    A call on the leader returns what the function returned, and lets through what it
    raised. A call on a standby is skipped and returns ``None``. A plain function runs
    in the caller's thread, which nobody can cancel: it has to end when ``term.lost``
    happens. A coroutine function is cancelled. No signal handlers are installed; the
    lease is released when the main thread ends.

    Args:
        lease: as for :func:`~k8s_leader.app.campaign.campaign`.
        wait: seconds that a call waits for leadership before it is skipped; ``None``:
            as long as it takes, for a command that is all its process does. A call
            always waits for the outcome of the process's first attempt.
        **options: as for :func:`~k8s_leader.app.campaign.campaign`.

    Raises:
        LeadershipLostError: from a call: the coroutine was cancelled by a loss.
        SettingsError: from the first call: a setting cannot work.
    """
    return LeaderOnly(lease, wait=wait, options=options)
