"""
One lease of many candidates in one process: one watch, and one request at a time.

Each candidate decides for itself, over a `SharedStore` of its own. What they share is
what costs when there are hundreds of them:

- the watch: one stream, read once. A few hear of an event at once, among them whoever
  wrote last, who may lead; the others a moment later and a few at a time, so that the
  request of the first does not wait for hundreds of wake-ups;
- compare-and-swap: while one candidate tries to replace a state, nobody else here asks
  for the same; when it was replaced, by whomever, they are told so without asking;
- reads: who asks while a read is under way gets the result of the next one, together
  with everybody else who waits.

Guarantees: each candidate sees every event, in order; what hears late counts from later
on, which is the safe side (S7); a read began after it was asked for; "conflict" is only
said of a state that the store is known to have replaced. Whoever wrote last is never
made to wait for another one's request. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Final, TypeGuard

from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import LeaseConflictError, LeaseNotFoundError
from k8s_leader.leases.port import RecordStore, Sighting, closing

__all__ = ["SharedLease", "SharedStore"]

_FIRST: Final = 8
"""So many hear of an event at once: enough that one of them may take the lease."""

_LATER: Final = 0.25
"""
Seconds after which the others begin to hear of it: a hand-over takes less, and needs
the processor that they would use.
"""

_SLICE: Final = 8
"""So many of the others are woken together."""

_PACE: Final = 0.02
"""Seconds between them, in which requests and the application get their turn."""

Watch = Callable[[], AsyncIterator[Sighting]]


class _Listener:
    """
    What one candidate was not told yet.
    """

    def __init__(self) -> None:
        self.untold: deque[Sighting] = deque()
        self.ended: BaseException | None = None
        self._woken = asyncio.Event()

    @property
    def sleeps(self) -> bool:
        """
        Tell whether there is something to hear of and nobody said so.
        """
        return bool(self.untold) and not self._woken.is_set()

    def wake(self) -> None:
        """
        Let it hear.
        """
        self._woken.set()

    async def next(self) -> Sighting:
        """
        Return the oldest untold event, marked when newer ones follow at once.
        """
        await self._woken.wait()
        if not self.untold and self.ended is not None:
            raise self.ended
        sighting = self.untold.popleft()
        if self.untold:
            return replace(sighting, superseded=True)
        if self.ended is None:
            self._woken.clear()
        return sighting


class SharedLease:
    """
    What the candidates of one process share about one lease.
    """

    def __init__(self) -> None:
        self._listeners: deque[_Listener] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._latest: Sighting | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._writer: SharedStore | None = None
        self._written: Stored | None = None
        self._losers: set[SharedStore] = set()
        self._known: Stored | None = None
        self._defeats = 0
        self._defeated: tuple[str, int | None] | None = None
        self._writing = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._reads = 0
        self._result: tuple[int, Stored | None] = (0, None)

    def store(self, own: RecordStore) -> SharedStore:
        """
        Return the store of one candidate, over its own way to the same lease.
        """
        return SharedStore(self, own)

    # -- the watch ---------------------------------------------------------------

    def enter(self, watch: Watch) -> _Listener:
        """
        Listen from now on, beginning with what the watch shows at present.
        """
        listener = _Listener()
        self._listeners.append(listener)
        if self._pump is None:
            self._pump = asyncio.create_task(self._listen(watch), name="shared-watch")
        if self._latest is not None:
            listener.untold.append(self._latest)
            self._rouse()
        return listener

    async def leave(self, store: SharedStore, listener: _Listener) -> None:
        """
        Listen no more; the last one ends the watch.
        """
        self._listeners.remove(listener)
        if self._writer is store:
            self._writer = None
        if self._listeners or self._pump is None:
            return
        pump, self._pump, self._latest = self._pump, None, None
        pump.cancel()
        await asyncio.wait([pump])

    async def _listen(self, watch: Watch) -> None:
        try:
            async with closing(watch()) as sightings:
                async for sighting in sightings:
                    self._tell(sighting)
        except Exception as error:  # noqa: BLE001  # raised by each who listens
            self._end(error)

    def _end(self, error: Exception) -> None:
        for listener in self._listeners:
            listener.ended = error
            listener.wake()

    def _tell(self, sighting: Sighting) -> None:
        self._latest = sighting
        if not sighting.blind:
            self._known = sighting.stored
        self._announce(sighting)
        self._wake_concerned(sighting)
        self._wake(_FIRST)
        self._rouse()

    def _wake_concerned(self, sighting: Sighting) -> None:
        """
        Wake whoever may lead, and those who wait to hear to whom they lost.
        """
        writer, written = self._writer, self._written
        losers, self._losers = self._losers, set()
        for store in (*losers, writer):
            if store is not None and store.listener is not None:
                store.listener.wake()
        seen = sighting.stored
        if written is None or not _is_newer(seen, written):
            return
        if seen.record.holder != written.record.holder:
            self._writer = None  # it leads no more, and was told

    def _announce(self, sighting: Sighting) -> None:
        for listener in self._listeners:
            listener.untold.append(sighting)

    def _rouse(self) -> None:
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(_LATER, self._wake_others)

    def _wake_others(self) -> None:
        self._sweep = None
        if self._wake(_SLICE) == _SLICE:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(_PACE, self._wake_others)

    def _wake(self, count: int) -> int:
        """
        Wake up to ``count`` of those who sleep, in turn; return how many there were.
        """
        woken = 0
        for _ in range(len(self._listeners)):
            listener = self._listeners[0]
            self._listeners.rotate(-1)
            if listener.sleeps:
                listener.wake()
                woken += 1
                if woken == count:
                    break
        return woken

    # -- requests ----------------------------------------------------------------

    async def read(self, by: SharedStore) -> Stored | None:
        """
        Return the truth, by a read that begins after this call.
        """
        if by is self._writer:
            return self._heard(await by.own.read())
        asked = self._reads
        async with self._reading:
            began, stored = self._result
            if began > asked:
                return stored
            self._reads = began = self._reads + 1
            stored = self._heard(await by.own.read())
            self._result = began, stored
            return stored

    def _heard(self, stored: Stored | None) -> Stored | None:
        """
        Take note of a read; when the watch is right everybody learns that it is.
        """
        self._known, latest = stored, self._latest
        if latest is None or latest.blind or latest.version is None:
            return stored
        if stored is not None and stored.version == latest.version:
            self._announce(replace(latest, checked=True))
            self._rouse()
        return stored

    async def write(
        self,
        by: SharedStore,
        over: Stored | None,
        ask: Callable[[], Awaitable[Stored]],
    ) -> Stored:
        """
        Replace ``over``, or create the lease, unless that is known to be too late.

        Raises:
            LeaseConflictError: somebody wrote first; as ``ask`` says, or as is known.
        """
        if by is self._writer:
            return self._wrote(by, await ask())
        asked = self._defeats
        async with self._writing:
            if self._is_replaced(over, asked):
                self._lose(by)
                raise LeaseConflictError("somebody else of this process knows better")
            try:
                return self._wrote(by, await ask())
            except (LeaseConflictError, LeaseNotFoundError):
                self._lose(by)
                self._defeats, self._defeated = self._defeats + 1, _key(over)
                raise

    def _lose(self, by: SharedStore) -> None:
        """
        Let a loser hear who won: now, if that was shown already, else at once.
        """
        if by.listener is not None and by.listener.sleeps:
            by.listener.wake()
        else:
            self._losers.add(by)

    def _wrote(self, by: SharedStore, written: Stored) -> Stored:
        self._writer, self._known, self._written = by, written, written
        return written

    def _is_replaced(self, over: Stored | None, asked: int) -> bool:
        """
        Tell whether a write would come too late; ``asked``: defeats before the call.

        What was learnt before may be from before the store was rolled back, so only
        the defeat of somebody who was asking at the same time counts.
        """
        if self._defeats > asked and self._defeated == _key(over):
            return True
        if over is None:
            return self._known is not None
        return _is_newer(self._known, over)


class SharedStore:
    """
    The record store of one candidate among several of one process.

    Args:
        lease: what they share.
        own: the candidate's own way to the lease, for its reads and writes.
    """

    def __init__(self, lease: SharedLease, own: RecordStore) -> None:
        self._lease = lease
        self.own = own
        self.listener: _Listener | None = None

    async def read(self) -> Stored | None:
        """
        Return the newest state.
        """
        return await self._lease.read(self)

    async def create(self, record: Record) -> Stored:
        """
        Make the lease.
        """
        return await self._lease.write(self, None, lambda: self.own.create(record))

    async def replace(self, over: Stored, record: Record) -> Stored:
        """
        Write ``record`` if the state is still ``over``.
        """
        return await self._lease.write(
            self, over, lambda: self.own.replace(over, record)
        )

    async def watch(self) -> AsyncIterator[Sighting]:
        """
        Yield the current state first, then every change.
        """
        self.listener = listener = self._lease.enter(self.own.watch)
        try:
            while True:
                yield await listener.next()
        finally:
            await self._lease.leave(self, listener)

    async def close(self) -> None:
        """
        Close the candidate's own store.
        """
        await self.own.close()


def _is_newer(one: Stored | None, other: Stored) -> TypeGuard[Stored]:
    if one is None or one.version is None or other.version is None:
        return False
    return one.uid == other.uid and one.version > other.version


def _key(over: Stored | None) -> tuple[str, int | None] | None:
    return None if over is None else (over.uid, over.version)
