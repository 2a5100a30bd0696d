"""
The HTTP side of the fake API server; tests use it through `FakeKube`.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.helpers.fake_store import Change, Lease, StatusError, Store

_PREFIX = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    One request as the server saw it; ``code`` 0 means that it got no answer.
    """

    verb: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    code: int
    time: float
    peer: object


@dataclass(slots=True, kw_only=True)
class Fault:
    """
    What goes wrong with the next ``times`` requests of one verb.

    Args:
        kind: ``status``, ``raw``, ``hang``, ``reset`` or ``truncate``.
        verb: which requests; ``None`` for all.
        times: how often.
        lands: do what was asked for all the same, and lose only the answer.
        code: of the answer.
        headers: of the answer.
        body: of the answer.
    """

    kind: str
    verb: str | None = None
    times: int = 1
    lands: bool = False
    code: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Watcher:
    """
    One open watch; events reach it through a queue of the server's loop.
    """

    def __init__(self, namespace: str, name: str | None, transport: Any) -> None:
        self.namespace = namespace
        self.name = name
        self.transport = transport
        self.since = 0
        self.queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def wants(self, change: Change) -> bool:
        name = change.lease["metadata"]["name"]
        is_new = change.version > self.since
        return (
            is_new and change.namespace == self.namespace and self.name in {None, name}
        )


class FakeServer:
    """
    The server.

    Args:
        bookmark_every: seconds between the bookmarks of a watch.
        token: the only bearer token that is accepted; ``None``: everybody is.
        tls: certificate and key files to serve HTTPS with.
        host: the address to bind.
    """

    def __init__(
        self,
        *,
        bookmark_every: float = 60.0,
        token: str | None = None,
        tls: Any = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.bookmark_every = bookmark_every
        self.token = token
        self.latency = 0.0
        self.silent_watches = False
        self.max_watch_seconds: float | None = None
        self.requests: list[Seen] = []
        self.faults: list[Fault] = []
        self.forbidden: set[str] = set()
        self.url = ""
        self._host, self._tls = host, tls
        self._store = Store(on_change=self._publish)
        self._watchers: list[_Watcher] = []
        self._changed = threading.Condition(threading.RLock())
        self._loop = asyncio.new_event_loop()
        self._released: asyncio.Event
        self._closing: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="fake-kube", daemon=True)
        self._ready = threading.Event()

    # Starting and stopping

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(30):
            raise AssertionError("the fake API server does not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(30)
        assert not self._thread.is_alive(), "the fake API server does not stop"

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    # The server

    def drop_watches(self) -> None:
        """
        Cut the connections of all watches.
        """
        for watcher in list(self._watchers):
            self._loop.call_soon_threadsafe(watcher.transport.abort)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._released, self._closing = asyncio.Event(), asyncio.Event()
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", _PREFIX, self._handle)
        app.router.add_route("*", _PREFIX + "/{name}", self._handle)
        app.router.add_route("*", "/version", self._handle)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True
        )
        await runner.setup()
        site = web.TCPSite(runner, self._host, 0, ssl_context=self._tls)
        await site.start()
        address = runner.addresses[0]
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.url = f"{'https' if self._tls else 'http'}://{host}:{address[1]}"
        self._ready.set()
        await self._closing.wait()
        self._let_go()
        self.drop_watches()
        await asyncio.sleep(0)
        await runner.cleanup()

    def _let_go(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    def _publish(self, change: Change) -> None:
        event = {"type": change.kind, "object": change.lease}
        for watcher in [w for w in self._watchers if w.wants(change)]:
            self._loop.call_soon_threadsafe(watcher.queue.put_nowait, event)
        self._changed.notify_all()

    def _tell_watchers(self, event: dict[str, Any] | None) -> None:
        for watcher in list(self._watchers):
            self._loop.call_soon_threadsafe(watcher.queue.put_nowait, event)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        verb = _verb(request)
        text = await request.text()
        body = json.loads(text) if text else None
        await asyncio.sleep(self.latency)
        fault = self._fault(verb)
        code = 0
        try:
            response = await self._respond(request, verb, body, fault)
            code = 0 if fault and _is_cut(request) else response.status
        finally:
            if verb != "watch" or code not in {0, 200} or fault:
                self._note(request, verb, body, code)
        return response

    def _note(self, request: web.Request, verb: str, body: Any, code: int) -> None:
        with self._changed:
            self.requests.append(
                Seen(
                    verb=verb,
                    path=request.path,
                    query=dict(request.query),
                    headers=dict(request.headers),
                    body=body,
                    code=code,
                    time=time.monotonic(),
                    peer=request.transport
                    and request.transport.get_extra_info("peername"),
                )
            )
            self._changed.notify_all()

    def _fault(self, verb: str) -> Fault | None:
        for fault in list(self.faults):
            if fault.verb in {None, verb}:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    async def _respond(
        self, request: web.Request, verb: str, body: Any, fault: Fault | None
    ) -> web.StreamResponse:
        if fault is not None and not fault.lands:
            return await self._misbehave(request, fault, b"")
        try:
            self._authorize(request, verb)
            if verb == "watch":
                return await self._watch(request, body)
            with self._changed:
                found = self._answer(request, verb, body)
            code, content = (201 if verb == "create" else 200), found
        except StatusError as error:
            code, content = error.code, error.status
        if fault is not None:
            return await self._misbehave(request, fault, json.dumps(content).encode())
        return web.json_response(content, status=code)

    async def _misbehave(
        self, request: web.Request, fault: Fault, content: bytes
    ) -> web.StreamResponse:
        if fault.kind == "raw":
            return web.Response(
                status=fault.code, headers=fault.headers, body=fault.body
            )
        if fault.kind == "truncate":
            content = content or b'{"kind": "Lease", "metadata": {"name": "x"}}'
            cut = web.StreamResponse(headers={"Content-Length": str(len(content))})
            cut.content_type = "application/json"
            await cut.prepare(request)
            await cut.write(content[: len(content) // 2])
            await asyncio.sleep(0.02)  # or the reset would overtake it
        if fault.kind == "hang":
            self._note(request, f"hanging {_verb(request)}", None, 0)
            await self._released.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    def _authorize(self, request: web.Request, verb: str) -> None:
        if self.token is not None:
            shown = request.headers.get("Authorization", "")
            if shown != f"Bearer {self.token}":
                raise StatusError(401, "Unauthorized", "Unauthorized")
        if verb in self.forbidden:
            name = request.match_info.get("name", "")
            quoted = f' "{name}"' if name else ""
            message = (
                f'leases.coordination.k8s.io{quoted} is forbidden: User "somebody" '
                f'cannot {verb} resource "leases" in API group "coordination.k8s.io" '
                f'in the namespace "{request.match_info.get("namespace")}"'
            )
            raise StatusError(403, "Forbidden", message)

    def _answer(self, request: web.Request, verb: str, body: Any) -> Lease:
        if verb == "version":
            return {"major": "1", "minor": "34", "gitVersion": "v1.34.0-fake"}
        namespace = request.match_info["namespace"]
        name = request.match_info.get("name", "")
        match verb:
            case "get":
                return self._store.get(namespace, name)
            case "create":
                return self._store.create(namespace, body)
            case "update":
                return self._store.replace(namespace, name, body)
            case "delete":
                return self._store.delete(namespace, name)
            case "patch":
                merged = _merge(self._store.get(namespace, name), body)
                return self._store.replace(namespace, name, merged)
            case "list":
                return self._list(namespace, _selected(request))
        raise StatusError(405, "MethodNotAllowed", f"no {verb} here")

    def _list(self, namespace: str, name: str | None) -> Lease:
        items = self._store.list(namespace, name)
        for item in items:
            del item["apiVersion"], item["kind"]
        return {
            "kind": "LeaseList",
            "apiVersion": "coordination.k8s.io/v1",
            "metadata": {"resourceVersion": str(self._store.version)},
            "items": items,
        }

    async def _watch(self, request: web.Request, body: Any) -> web.StreamResponse:
        watcher = _Watcher(
            request.match_info["namespace"], _selected(request), request.transport
        )
        since = request.query.get("resourceVersion", "")
        with self._changed:
            for event in self._replay(watcher, since):
                watcher.queue.put_nowait(event)
            self._watchers.append(watcher)
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        stream.enable_chunked_encoding()
        try:
            self._note(request, "watch", body, 200)  # before the client knows
            await stream.prepare(request)
            await self._feed(stream, watcher, request)
        except ConnectionError:
            pass
        finally:
            with self._changed:
                self._watchers.remove(watcher)
                self._changed.notify_all()
        return stream

    def _replay(self, watcher: _Watcher, since: str) -> Iterable[dict[str, Any]]:
        store = self._store
        if since in {"", "0"}:
            for lease in store.list(watcher.namespace, watcher.name):
                yield {"type": "ADDED", "object": lease}
            return
        if int(since) < store.compacted:
            message = f"too old resource version: {since} ({store.compacted})"
            raise StatusError(410, "Expired", message)
        watcher.since = int(since)  # a version of the future: silence until then
        for change in store.history:
            if watcher.wants(change):
                yield {"type": change.kind, "object": change.lease}

    async def _feed(
        self, stream: web.StreamResponse, watcher: _Watcher, request: web.Request
    ) -> None:
        seconds = float(request.query.get("timeoutSeconds", "1800"))
        if self.max_watch_seconds is not None:
            seconds = min(seconds, self.max_watch_seconds)
        end = time.monotonic() + seconds
        bookmarks = request.query.get("allowWatchBookmarks") in {"true", "1"}
        while (left := end - time.monotonic()) > 0:
            patience = min(left, self.bookmark_every) if bookmarks else left
            try:
                event = await asyncio.wait_for(watcher.queue.get(), patience)
            except TimeoutError:
                if not bookmarks or time.monotonic() >= end:
                    continue
                event = _bookmark(self._store.version)
            if event is None:
                return
            if not self.silent_watches:
                await stream.write(json.dumps(event).encode() + b"\n")
            if event["type"] == "ERROR":
                return


def _is_cut(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _verb(request: web.Request) -> str:
    if request.path == "/version":
        return "version"
    if request.method == "GET" and "name" not in request.match_info:
        watching = request.query.get("watch") in {"true", "1"}
        return "watch" if watching else "list"
    verbs = {"POST": "create", "PUT": "update"}
    return verbs.get(request.method, request.method.lower())


def _selected(request: web.Request) -> str | None:
    selector = request.query.get("fieldSelector", "")
    return selector.removeprefix("metadata.name=") if selector else None


def _bookmark(version: int) -> dict[str, Any]:
    return {
        "type": "BOOKMARK",
        "object": {
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            "metadata": {"resourceVersion": str(version), "creationTimestamp": None},
            "spec": {},
        },
    }


def _merge(target: Any, patch: Any) -> Any:
    """
    Apply a JSON merge patch (RFC 7396).
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
