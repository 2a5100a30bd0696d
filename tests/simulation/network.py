"""
What lies between a candidate and the API server, and the store seen through it.

Requests and replies take their time, get lost, come twice, overtake each other, and
arrive after the client gave up; watches lag, stall and break. Every request is
bounded in time by its client, as the real one does.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import (
    LeaseError,
    LeaseForbiddenError,
    LeaseUnavailableError,
)
from k8s_leader.leases.port import Sighting
from tests.simulation.server import Commit, Server, Stream
from tests.simulation.world import Process, Scheduler

__all__ = ["Link", "Listener", "SimStore"]


@dataclass(slots=True)
class Link:
    """
    The state of one candidate's network; faults change it.

    Attributes:
        latency: usual seconds of one way.
        extra: added at most to each way, by chance.
        answers_late: added at most to the way of an answer.
        loses: chance that a request, or a reply, is lost.
        doubles: chance that a request arrives a second time, later.
        late: chance that a request arrives long after its client gave up.
        late_by: up to how many seconds.
        requests_cut, replies_cut: nothing comes through.
        refused: connections are reset at once instead of silently cut.
        forbidden: the API server denies what is asked (a right was taken away).
        throttled: it asks to come back so many seconds later (429).
        watch_lag: seconds that watch events are late.
        watch_stalled: events are held back.
    """

    chance: random.Random
    latency: float = 0.002
    extra: float = 0.0
    answers_late: float = 0.0
    loses: float = 0.0
    doubles: float = 0.0
    late: float = 0.0
    late_by: float = 0.0
    requests_cut: int = 0
    replies_cut: int = 0
    refused: int = 0
    forbidden: int = 0
    throttled: float = 0.0
    watch_lag: float = 0.003
    watch_stalled: int = 0

    def way(self) -> float:
        delay = self.latency * (0.5 + self.chance.random())
        if self.extra:
            delay += self.extra * self.chance.random()
        return delay

    def lost(self) -> bool:
        return self.loses > 0 and self.chance.random() < self.loses


class Listener:
    """
    Hears of what a client sends and gets; the checks listen.
    """

    def sends(self, over: Stored | None, record: Record) -> None:
        """
        Take note of a write that leaves the client.
        """

    def confirmed(self, sent: float, stored: Stored) -> None:
        """
        Take note of a write whose success the client learnt.
        """

    def sees(self, stored: Stored | None, *, quorum: bool) -> None:
        """
        Take note of a state that the client was shown.
        """

    def asks(self, process: Process) -> None:
        """
        Take note of any request, and whose it is.
        """


Execute = Callable[[], Any]


class SimStore:
    """
    The record store of one process: a client of the simulated server.
    """

    def __init__(
        self,
        server: Server,
        link: Link,
        *,
        scheduler: Scheduler,
        process: Process,
        name: str,
        timeout: float,
        listener: Listener,
        now: Callable[[], float],
    ) -> None:
        self._server = server
        self._link = link
        self._scheduler = scheduler
        self._process = process
        self._name = name
        self._timeout = timeout
        self._listener = listener
        self._now = now

    async def read(self) -> Stored | None:
        stored: Stored | None = await self._call(self._server.read)
        self._listener.sees(stored, quorum=True)
        return stored

    async def create(self, record: Record) -> Stored:
        return await self._write(
            None, record, lambda: self._server.create(record, self._name)
        )

    async def replace(self, over: Stored, record: Record) -> Stored:
        return await self._write(
            over, record, lambda: self._server.replace(over, record, self._name)
        )

    async def _write(
        self, over: Stored | None, record: Record, execute: Execute
    ) -> Stored:
        self._listener.sends(over, record)
        sent = self._now()
        stored: Stored = await self._call(execute, is_write=True)
        self._listener.confirmed(sent, stored)
        return stored

    async def close(self) -> None:
        """
        Nothing is open.
        """

    async def watch(self) -> AsyncIterator[Sighting]:
        connected = False
        failures = 0
        while True:
            try:
                listed, since = await self._call(
                    lambda: (self._server.stored, self._server.version)
                )
            except LeaseError:
                if connected:
                    connected = False
                    yield Sighting(blind=True)
                pause = min(8.0, 0.25 * 2.0**failures)
                failures += 1
                await asyncio.sleep(pause * (0.5 + self._link.chance.random() / 2))
                continue
            connected, failures = True, 0
            self._listener.sees(listed, quorum=False)
            yield _sighting(listed, None)
            async for commit in self._follow(since):
                self._listener.sees(commit.stored, quorum=False)
                yield _sighting(commit.stored, commit.version)

    # -- the way of a request ----------------------------------------------------

    async def _call(self, execute: Execute, *, is_write: bool = False) -> Any:
        if not self._process.alive:
            raise asyncio.CancelledError
        self._listener.asks(self._process)
        future: asyncio.Future[Any] = self._process.create_future()
        self._send(future, execute, is_write=is_write)
        timer = self._process.call_later(self._timeout, _fail, future, "no answer")
        try:
            return await future
        finally:
            timer.cancel()

    def _send(
        self, future: asyncio.Future[Any], execute: Execute, *, is_write: bool
    ) -> None:
        link = self._link
        there = link.way()
        if link.refused:
            self._reply(there, future, LeaseUnavailableError("connection refused"))
            return
        if link.requests_cut or link.lost():
            return
        denial = _denial(link)
        if denial is not None:
            self._reply(2 * there, future, denial)
            return
        if is_write and link.late and link.chance.random() < link.late:
            there += link.late_by * link.chance.random()
        self._scheduler.after(there, self._arrive, future, execute)
        if is_write and link.doubles and link.chance.random() < link.doubles:
            again = there + 4.0 * link.chance.random() ** 2
            self._scheduler.after(again, self._execute, execute)

    def _execute(self, execute: Execute) -> Any:
        if self._server.down:
            return LeaseUnavailableError("503")
        try:
            result = execute()
        except LeaseError as error:
            return error
        if self._server.fails and self._link.chance.random() < self._server.fails:
            return LeaseUnavailableError("500, although it was done")
        return result

    def _arrive(self, future: asyncio.Future[Any], execute: Execute) -> None:
        result = self._execute(execute)
        link = self._link
        if link.replies_cut or link.lost():
            return
        late = link.answers_late * link.chance.random() if link.answers_late else 0.0
        self._reply(link.way() + late, future, result)

    def _reply(self, delay: float, future: asyncio.Future[Any], result: Any) -> None:
        self._scheduler.after(delay, self._process.deliver, _answer, future, result)

    # -- the watch ---------------------------------------------------------------

    async def _follow(self, since: int) -> AsyncIterator[Commit]:
        """
        Yield what comes after ``since`` until the stream breaks.
        """
        pipe = _Pipe(self._process, self._link, self._scheduler)
        stream = Stream(pipe.send, pipe.breaks)
        self._scheduler.after(self._link.way(), self._open, since, stream)
        try:
            while True:
                commit = await pipe.get()
                if commit is None:
                    return
                yield commit
        finally:
            self._server.forget(stream)

    def _open(self, since: int, stream: Stream) -> None:
        if stream.closed:
            return
        if self._server.down:
            stream.breaks()
        else:
            self._server.watch(since, stream)


class _Pipe:
    """
    Carries the events of one watch, in order, as late as the link makes them.
    """

    def __init__(self, process: Process, link: Link, scheduler: Scheduler) -> None:
        self._process = process
        self._link = link
        self._scheduler = scheduler
        self._last = 0.0
        self._held: deque[Commit | None] = deque()
        self._got: deque[Commit | None] = deque()
        self._waiter: asyncio.Future[None] | None = None

    async def get(self) -> Commit | None:
        while not self._got:
            self._waiter = self._process.create_future()
            await self._waiter
        return self._got.popleft()

    def send(self, commit: Commit | None) -> None:
        lag = self._link.way() + self._link.watch_lag * self._link.chance.random()
        self._last = max(self._last, self._scheduler.now + lag)
        self._scheduler.at(self._last, self._arrive, commit)

    def breaks(self) -> None:
        self.send(None)

    def _arrive(self, commit: Commit | None) -> None:
        link = self._link
        if link.watch_stalled or link.requests_cut or link.replies_cut:
            # Held back in order; looked at again now and then.
            self._last = max(self._last, self._scheduler.now)
            self._held.append(commit)
            if len(self._held) == 1:
                self._scheduler.after(0.5, self._flush)
            return
        if self._held:
            self._held.append(commit)
            return
        self._process.deliver(self._receive, commit)

    def _flush(self) -> None:
        link = self._link
        if link.watch_stalled or link.requests_cut or link.replies_cut:
            if self._process.alive:
                self._scheduler.after(0.5, self._flush)
            return
        while self._held:
            self._process.deliver(self._receive, self._held.popleft())

    def _receive(self, commit: Commit | None) -> None:
        self._got.append(commit)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _denial(link: Link) -> LeaseError | None:
    if link.forbidden:
        return LeaseForbiddenError("forbidden", rule="")
    if link.throttled:
        return LeaseUnavailableError("429", retry_after=link.throttled)
    return None


def _sighting(stored: Stored | None, version: int | None) -> Sighting:
    if version is None and stored is not None:
        version = stored.version
    return Sighting(stored=stored, version=version)


def _answer(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():
        return  # the client gave up
    if isinstance(result, LeaseError):
        future.set_exception(result)
    else:
        future.set_result(result)


def _fail(future: asyncio.Future[Any], why: str) -> None:
    _answer(future, LeaseUnavailableError(why))
