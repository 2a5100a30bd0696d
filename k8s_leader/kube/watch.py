"""
The endless watch of one Lease.

A watch is a wake-up, never the truth (rule S7): it starts with a list (a quorum read),
then follows from that list's resourceVersion, and starts again when the connection
ends. Events:

- ``current``: what the list showed, at the start and after each reconnection; its
  lease is ``None`` when there is no such Lease.
- ``connected``: changes are being delivered from now on, at the start and after each
  ``disconnected``. It follows a ``current`` and nothing was missed in between.
- ``changed``, ``deleted``: as they happen; ``deleted`` carries the last state.
- ``disconnected``: changes may be missed from now on; poll until ``connected``.

Guarantees: an event is yielded as soon as its line is complete; a silent connection
(the API server sends bookmarks about once a minute) is given up after
`WatchTiming.silence`; failures, and ends that come too early, are followed by a
jittered exponential pause, so that there is never a hot loop; nothing but
cancellation is ever raised.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import AsyncGenerator, Callable, Iterator
from http import HTTPStatus
from typing import Any, Final, Literal

import aiohttp

from k8s_leader.clock import Clock
from k8s_leader.errors import (
    LeaderError,
    LeaseForbiddenError,
    LeaseMalformedError,
    LeaseUnavailableError,
)
from k8s_leader.kube.answers import Answer, Right, parse
from k8s_leader.kube.transport import MAX_ANSWER, Transport
from k8s_leader.values import dataclass

__all__ = ["Lines", "Watch", "WatchEvent", "WatchTiming"]

_log = logging.getLogger(__name__)

_GRACE: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """
    One event; see the module for what the kinds mean.
    """

    kind: Literal["current", "changed", "deleted", "disconnected", "connected"]
    lease: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTiming:
    """
    How patient a watch is; all in seconds.

    Args:
        request: for a list, and for the answer to begin.
        lifetime: after which the API server shall end the watch; up to a fifth more
            by chance, so that candidates do not reconnect together.
        silence: after which a connection without a byte is given up.
        settled: what a connection must have lived to count as a good one; the next
            one then comes at once.
        pause_min: the first pause after a failure.
        pause_max: the longest pause.
    """

    request: float = 10.0
    lifetime: float = 290.0
    silence: float = 130.0
    settled: float = 5.0
    pause_min: float = 0.1
    pause_max: float = 30.0


class Lines:
    """
    Cuts a stream of bytes into lines without ever looking at a byte twice.
    """

    def __init__(self, *, limit: int = MAX_ANSWER) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[bytes]:
        """
        Take more bytes and yield the lines they complete.

        Raises:
            LeaseMalformedError: a line is longer than the limit.
        """
        *complete, rest = data.split(b"\n")
        for line in complete:
            self._parts.append(line)
            joined = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
            if joined.strip():
                yield joined
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if self._size > self._limit:
            raise LeaseMalformedError(f"a watch event of more than {self._limit} bytes")


class _ExpiredError(LeaderError):
    """
    The resourceVersion is too old (410): list again.
    """


class Watch:
    """
    Watches one Lease.

    Args:
        transport: connections that serve nothing but watches.
        path: of the Leases of the namespace.
        namespace: where it is.
        name: of the Lease.
        clock: for life times and Retry-After.
        timing: how patient to be.
        gate: passed while a watch is opened; many of one process take turns.
        chance: a number from 0 to 1, for jitter.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        path: str,
        namespace: str,
        name: str,
        clock: Clock,
        timing: WatchTiming,
        gate: asyncio.Semaphore,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._path = path
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self._timing = timing
        self._gate = gate
        self._chance = chance
        self._is_connected = False
        self._failures = 0
        self._opened_at: float | None = None
        self._told: str | None = None

    async def events(self) -> AsyncGenerator[WatchEvent, None]:
        """
        Yield events until cancelled or closed.
        """
        while True:
            self._opened_at = None
            error: LeaderError | None = None
            try:
                async with contextlib.aclosing(self._one_connection()) as events:
                    async for event in events:
                        yield event
            except LeaderError as caught:
                error = caught
            was_good = self._was_good()
            if was_good:
                self._failures = 0
            if error is not None and not isinstance(error, _ExpiredError):
                self._report(error)
                if self._is_connected:
                    self._is_connected = False
                    yield WatchEvent(kind="disconnected")
            if error is not None or not was_good:
                await asyncio.sleep(self._pause(error, was_good=was_good))

    def _was_good(self) -> bool:
        opened_at = self._opened_at
        if opened_at is None:
            return False
        return self._clock.now() - opened_at >= self._timing.settled

    def _pause(self, error: LeaderError | None, *, was_good: bool) -> float:
        """
        Return the seconds to wait; half of it by chance, doubled with each failure.
        """
        if was_good and isinstance(error, _ExpiredError):
            return 0.0
        timing = self._timing
        longest = min(
            timing.pause_max, timing.pause_min * 2.0 ** min(self._failures, 30)
        )
        if isinstance(error, LeaseForbiddenError):
            longest = timing.pause_max  # it takes a person to change that
        self._failures += 1
        asked = getattr(error, "retry_after", None) or 0.0
        jittered = longest * (0.5 + self._chance() / 2)
        return max(jittered, min(asked, 2 * timing.pause_max))

    def _report(self, error: LeaderError) -> None:
        """
        Log a failure once, not on each attempt.
        """
        what = f"watch of lease {self._namespace}/{self._name}"
        kind = type(error).__name__
        if kind == self._told:
            _log.debug("%s: %s", what, error)
            return
        self._told = kind
        level = logging.INFO
        if isinstance(error, LeaseForbiddenError):
            level = logging.WARNING
        _log.log(level, "%s: %s; polling meanwhile", what, error)

    async def _one_connection(self) -> AsyncGenerator[WatchEvent, None]:
        async with self._gate:
            version, lease = await self._list()
        yield WatchEvent(kind="current", lease=lease)
        seconds = round(self._timing.lifetime * (1 + self._chance() / 5), 3)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "fieldSelector": f"metadata.name={self._name}",
            "resourceVersion": version,
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        async with contextlib.AsyncExitStack() as stack:
            async with self._gate:
                response = await self._open(stack, query)
            self._opened_at = self._clock.now()
            if not self._is_connected:
                self._is_connected = True
                self._told = None
                yield WatchEvent(kind="connected")
            async with contextlib.aclosing(self._follow(response, seconds)) as events:
                async for event in events:
                    yield event

    async def _list(self) -> tuple[str, dict[str, Any] | None]:
        answer = await self._transport.call(
            "GET",
            self._path,
            query={"fieldSelector": f"metadata.name={self._name}"},
            timeout=self._timing.request,
        )
        found = parse(answer, right=self._right("list"), wall=self._clock.wall())
        items = found.get("items")
        metadata = found.get("metadata")
        version = (
            metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        )
        if not isinstance(items or [], list) or not isinstance(version, str):
            raise LeaseMalformedError(f"{self._right('list')}: the answer is no list")
        leases = [item for item in items or [] if self._is_ours(item)]
        if not leases:
            return version, None
        # The API server leaves kind and apiVersion out of the items of a list.
        return version, {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            **leases[0],
        }

    async def _open(
        self, stack: contextlib.AsyncExitStack, query: dict[str, str]
    ) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(self._timing.request):
                opened = self._transport.stream(self._path, query=query)
                response = await stack.enter_async_context(opened)
                if response.status == HTTPStatus.OK:
                    return response
                content = await response.content.read(MAX_ANSWER)
        except TimeoutError:
            raise LeaseUnavailableError("the watch did not begin in time") from None
        if response.status == HTTPStatus.GONE:
            raise _ExpiredError("410")
        headers = dict(response.headers)
        answer = Answer(status=response.status, headers=headers, body=content)
        parse(answer, right=self._right("watch"), wall=self._clock.wall())
        raise LeaseMalformedError(f"status {response.status} is no answer to a watch")

    async def _follow(
        self, response: aiohttp.ClientResponse, seconds: float
    ) -> AsyncGenerator[WatchEvent, None]:
        lines = Lines()
        deadline = self._clock.now() + seconds + _GRACE
        while True:
            data = await self._some(response)
            if not data:
                return
            for line in lines.feed(data):
                event = self._event(line)
                if event is not None:
                    yield event
            if self._clock.now() >= deadline:
                return  # a server that ignores timeoutSeconds

    async def _some(self, response: aiohttp.ClientResponse) -> bytes:
        try:
            async with asyncio.timeout(self._timing.silence):
                return await response.content.readany()
        except TimeoutError:
            silence = self._timing.silence
            raise LeaseUnavailableError(f"nothing heard for {silence:g} s") from None

    def _event(self, line: bytes) -> WatchEvent | None:
        try:
            found = json.loads(line)
            kind, thing = found["type"], found["object"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise LeaseMalformedError("a watch event that is no event") from None
        if kind == "ERROR":
            raise _watch_error(thing)
        if kind not in {"ADDED", "MODIFIED", "DELETED"} or not self._is_ours(thing):
            return None  # a bookmark: it was heard, that is all
        return WatchEvent(
            kind="deleted" if kind == "DELETED" else "changed", lease=thing
        )

    def _is_ours(self, thing: object) -> bool:
        metadata = thing.get("metadata") if isinstance(thing, dict) else None
        return isinstance(metadata, dict) and metadata.get("name") == self._name

    def _right(self, verb: str) -> Right:
        return Right(verb=verb, namespace=self._namespace, name=self._name)


def _watch_error(status: object) -> LeaderError:
    code = status.get("code") if isinstance(status, dict) else None
    if code == HTTPStatus.GONE:
        return _ExpiredError("410")
    return LeaseUnavailableError(f"the API server ended the watch with error {code}")
