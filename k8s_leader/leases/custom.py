"""
Users' own lease managers: three methods returning bool, and nothing else.

The contract (rule S19): ``True`` from ``acquire`` or ``renew`` means that no other
identity gets ``True`` for ``duration`` seconds after the call was **sent**. A row or
key with an owner and an expiry, changed by one conditional statement, meets it; a bare
session lock does not, because nobody tells the holder when it is gone.

Such a manager gives no fencing token (``None``), and the lease is polled.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from k8s_leader._aio import in_daemon
from k8s_leader.election.observation import LossReason, Lost
from k8s_leader.election.record import TermId
from k8s_leader.errors import LeaseError, LeaseUnavailableError
from k8s_leader.leases.port import (
    Acquisition,
    Change,
    Held,
    Refused,
    Renewal,
    StillHeld,
)

__all__ = ["BoolLeaseManager", "BoolManager"]


_PATIENCE = 1.0
"""How long closing waits for calls that are under way (seconds)."""


class BoolManager(Protocol):
    """
    What a user writes; each method may be plain or a coroutine function.

    A plain method runs in a thread of its own and may block; one that hangs for ever
    does not keep the process from ending. Raising means "not known": it is tried again
    until the deadline. ``False`` from ``renew`` means that the lease is another's: the
    workload is killed.
    """

    def acquire(self, identity: str, duration: float) -> bool | Awaitable[bool]:
        """
        Take the lease for ``duration`` seconds, unless another identity has it.
        """

    def renew(self, identity: str, duration: float) -> bool | Awaitable[bool]:
        """
        Prolong the lease, if ``identity`` still has it.
        """

    def release(self, identity: str) -> bool | Awaitable[bool]:
        """
        Give the lease up, if ``identity`` has it.
        """


class BoolLeaseManager:
    """
    Makes a lease manager of a :class:`BoolManager`.

    Args:
        manager: the user's.
        identity: the candidate.
    """

    def __init__(self, manager: BoolManager, *, identity: str) -> None:
        self._manager = manager
        self._identity = identity
        self._late: set[asyncio.Task[bool]] = set()

    @property
    def identity(self) -> str:
        """
        Return the candidate this manager acts for.
        """
        return self._identity

    @property
    def holder(self) -> str:
        """
        Return ``""``: three bools do not tell who holds the lease.
        """
        return ""

    @property
    def paused(self) -> bool:
        """
        Return ``False``: without a record there is nowhere to ask for it.
        """
        return False

    @property
    def record(self) -> None:
        """
        Return ``None``: three bools keep no record.
        """
        return None

    async def acquire(self, *, duration: float) -> Acquisition:
        """
        Ask the user's manager; a ``True`` that comes too late is released again.

        Calls that are still under way are waited for first: what they do when they
        end must not hit the new term.
        """
        while self._late:
            await asyncio.wait(set(self._late))
        task = self._start("acquire", self._identity, duration)
        try:
            won = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._give_back)
            raise
        return Held(token=None) if won else Refused()

    async def renew(self, *, duration: float) -> Renewal:
        """
        Ask the user's manager; ``False`` is a loss.
        """
        task = self._start("renew", self._identity, duration)
        if await asyncio.shield(task):
            return StillHeld()
        return Lost(reason=LossReason.REFUSED)

    async def release(self) -> None:
        """
        Ask the user's manager; ``False`` means that it was not ours any more.
        """
        await asyncio.shield(self._start("release", self._identity))

    async def adopt(self, term: TermId, *, token: int | None) -> bool:
        """
        Return ``False``: without a record nothing tells one term from another.
        """
        return False

    async def changes(self) -> AsyncIterator[Change]:
        """
        Yield nothing, ever: such a lease is polled.
        """
        await asyncio.get_running_loop().create_future()
        yield Lost(reason=LossReason.REFUSED)  # pragma: no cover  # never reached

    async def close(self) -> None:
        """
        Wait a moment for calls under way, and for what came too late to be released.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE
        while self._late and loop.time() < end:
            await asyncio.wait(set(self._late), timeout=end - loop.time())
        for task in self._late:
            task.cancel()

    def _start(self, what: str, *args: object) -> asyncio.Task[bool]:
        method = getattr(self._manager, what)
        task = asyncio.create_task(_ask(what, method, *args), name=f"lease-{what}")
        self._late.add(task)
        task.add_done_callback(self._settled)
        return task

    def _settled(self, task: asyncio.Task[bool]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more

    def _give_back(self, task: asyncio.Task[bool]) -> None:
        if not task.cancelled() and task.exception() is None and task.result():
            self._start("release", self._identity)


async def _ask(
    what: str, method: Callable[..., bool | Awaitable[bool]], *args: object
) -> bool:
    """
    Call a user's method, plain or async, and read its answer.
    """
    try:
        if inspect.iscoroutinefunction(method):
            answer = await method(*args)
        else:
            answer = await in_daemon(lambda: method(*args), name=f"lease-{what}")
            if inspect.isawaitable(answer):
                answer = await answer
    except LeaseError:
        raise
    except Exception as exc:
        raise LeaseUnavailableError(
            f"the lease manager's {what} raised {type(exc).__name__}: {exc}"
        ) from exc
    if not isinstance(answer, bool):
        raise LeaseUnavailableError(
            f"the lease manager's {what} returned {type(answer).__name__}, not a bool"
        )
    return answer
