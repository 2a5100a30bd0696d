"""
A term as the workload sees it, and the events that threads and tasks can both await.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator
from types import TracebackType
from typing import NoReturn, Protocol, Self

from k8s_leader._aio import call_in
from k8s_leader.clock import Clock
from k8s_leader.election.grant import Grant
from k8s_leader.errors import LeadershipLostError

__all__ = ["Body", "Signal", "Term", "TermOwner", "call_in"]


class Signal:
    """
    Something that happens once: ``await`` it in a task, ``wait()`` in a thread.

    Thread-safe; one signal serves any number of threads and event loops.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        """
        Tell whether it has happened.
        """
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """
        Block this thread until it happens, or for ``timeout`` seconds.

        Returns:
            whether it has happened.
        """
        return self._event.wait(timeout)

    def set(self) -> None:
        """
        Let it happen; again has no effect.
        """
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def add_callback(self, callback: Callable[[], None]) -> None:
        """
        Call ``callback`` when it happens, in the thread that sets it; else now.
        """
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def remove_callback(self, callback: Callable[[], None]) -> None:
        """
        Forget a callback.
        """
        with self._lock, contextlib.suppress(ValueError):
            self._callbacks.remove(callback)

    def set_in_forked_child(self) -> None:
        """
        Let it happen without the locks and loops that belong to the parent.
        """
        self._lock = threading.Lock()
        self._callbacks = []
        self._event = threading.Event()
        self._event.set()

    def __await__(self) -> Generator[object, None, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def resolve() -> None:
            if not future.done():
                future.set_result(None)

        def happened() -> None:
            call_in(loop, resolve)

        self.add_callback(happened)
        try:
            await future
        finally:
            self.remove_callback(happened)


class TermOwner(Protocol):
    """
    Who is told when the workload of a term is gone.
    """

    def finish(self, term: Term) -> None:
        """
        Take note that nothing of the term's workload runs any more; thread-safe.
        """


class Term:
    """
    One stretch of leadership; what a workload gets to work with.

    ``async with term:`` cancels its body when the term ends, and swallows exactly
    that cancellation, and what ``raise_if_lost`` raised in it. Attributes and plain
    methods are usable from any thread.

    Attributes:
        identity: the candidate that leads.
        fencing_token: grows with every term; ``None`` when the lease manager has no
            tokens. Hand it to the resource, which should refuse older ones.
        lost: happens when the term ends, by loss or voluntarily: stop working then.
        entered: whether ``async with term`` was begun.
    """

    def __init__(
        self, *, grant: Grant, identity: str, clock: Clock, owner: TermOwner
    ) -> None:
        self.identity = identity
        self.fencing_token = grant.token
        self.lost = Signal()
        self._grant = grant
        self._clock = clock
        self._owner = owner
        self._body: Body | None = None
        self.entered = False

    def remaining(self) -> float:
        """
        Return the seconds until the grant ends unless renewed; 0 when it is lost.
        """
        if self.lost.is_set():
            return 0.0
        return self._grant.remaining(self._clock.now())

    def raise_if_lost(self) -> None:
        """
        Raise when this term is over; put it before anything irrevocable.

        Raises:
            LeadershipLostError: the term has ended.
        """
        if self.remaining() <= 0.0:
            raise LeadershipLostError(f"the term of {self.identity} is over")

    def extend(self, grant: Grant) -> None:
        """
        Take a newer grant (for the runner).
        """
        self._grant = grant

    @property
    def grant(self) -> Grant:
        """
        Return the present grant (for the runner).
        """
        return self._grant

    async def __aenter__(self) -> Self:
        self._body = Body(self.lost)
        self.entered = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        body, self._body = self._body, None
        try:
            ended = body is not None and await body.leave(kind)
            own = isinstance(error, LeadershipLostError) and self.remaining() <= 0.0
            return ended or own  # what `raise_if_lost` raised has done its work
        finally:
            self._owner.finish(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a term belongs to one process and cannot be pickled: hand on "
            "term.fencing_token, and start what needs processes under `k8s-leader run`"
        )


class Body:
    """
    Cancels the task that made it when a signal happens, until it leaves.
    """

    def __init__(self, lost: Signal) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("`async with term` needs a task")
        self._task = task
        self._before = task.cancelling()
        self._loop = asyncio.get_running_loop()
        self._left = False
        self._cancelled = False
        self._lost = lost
        lost.add_callback(self._happened)

    def _happened(self) -> None:
        call_in(self._loop, self._cancel)

    def _cancel(self) -> None:
        if not self._left:
            self._cancelled = True
            self._task.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        return await self.leave(kind)

    async def leave(self, kind: type[BaseException] | None) -> bool:
        """
        Return whether the body ended by our own cancellation and no other.
        """
        self._left = True
        self._lost.remove_callback(self._happened)
        if not self._cancelled:
            return False
        if kind is None:  # asked for, but the body ended before it was delivered
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        others = self._task.uncancel() > self._before
        if others and kind is None:
            raise asyncio.CancelledError
        return not others and kind is asyncio.CancelledError
