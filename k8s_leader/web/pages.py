"""
The pages: one function for each path, GET and HEAD only.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from k8s_leader.election.events import State
from k8s_leader.observers.status import Status
from k8s_leader.web.answers import describe, run_checks
from k8s_leader.web.exposition import Exposition, Render
from k8s_leader.web.feed import Feed, Stream, event
from k8s_leader.web.health import Check, liveness, readiness

__all__ = ["Pages"]

_logger = logging.getLogger(__name__)

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_OPENMETRICS = "application/openmetrics-text"
_REFUSED = re.compile(r"q\s*=\s*0(\.0{0,3})?")
_PING = 15.0
_SLOW = 10.0


class Pages:
    """
    Answers requests about one candidacy.

    Args:
        status: of the candidacy.
        feed: of its changes.
        checks: of liveness, beside our own.
        render: the metrics.
        version: ours, for the status.
        peers: the candidates, where they are known.
        keep: called with the transport of a stream, which may last.
    """

    def __init__(
        self,
        status: Status,
        *,
        feed: Feed,
        checks: Mapping[str, Check],
        render: Render,
        version: str,
        peers: Callable[[], object] | None = None,
        keep: Callable[[asyncio.BaseTransport | None], None] = lambda _: None,
    ) -> None:
        self._status = status
        self._feed = feed
        self._checks = checks
        self._exposition = Exposition(status, render)
        self._version = version
        self._peers = peers
        self.keep = keep
        self._pages: dict[str, Callable[..., Awaitable[web.StreamResponse]]] = {
            "/": self._root,
            "/livez": self._livez,
            "/healthz": self._livez,
            "/readyz": self._readyz,
            "/leaderz": self._leaderz,
            "/status": self._show_status,
            "/events": self._events,
            "/metrics": self._metrics,
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """
        Answer a request; the connection is closed after it.
        """
        page = self._pages.get(request.path)
        if page is None:
            paths = " ".join(self._pages)
            return _plain(HTTPStatus.NOT_FOUND, f"not found; there are: {paths}\n")
        if request.method not in ("GET", "HEAD"):
            answer = _plain(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD\n")
            answer.headers["Allow"] = "GET, HEAD"
            return answer
        try:
            return await page(request)
        except Exception as exc:
            if request.transport is None or isinstance(exc, ConnectionError):
                raise  # the client is gone
            _logger.exception("a page failed: %s", request.path)
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error\n")

    async def _root(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json({"name": self._status.now.holder})

    async def _livez(self, request: web.BaseRequest) -> web.StreamResponse:
        checks = liveness(self._status, self._checks)
        return self._checked(request, checks, name="livez")

    async def _readyz(self, request: web.BaseRequest) -> web.StreamResponse:
        checks = readiness(self._status, self._checks)
        return self._checked(request, checks, name="readyz")

    def _checked(
        self, request: web.BaseRequest, checks: Mapping[str, Check], *, name: str
    ) -> web.Response:
        well, lines = run_checks(checks, name=name)
        if not well:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, lines)
        return _plain(HTTPStatus.OK, lines if "verbose" in request.query else "ok\n")

    async def _leaderz(self, request: web.BaseRequest) -> web.StreamResponse:
        leads = self._status.is_leader and self._status.now.state is State.LEADING
        if leads:
            return _plain(HTTPStatus.OK, "leader\n")
        return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "not the leader\n")

    def _described(self) -> dict[str, Any]:
        found = describe(self._status, version=self._version)
        if self._peers is not None:
            found["peers"] = self._peers()
        return found

    async def _show_status(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json(self._described())

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = _accepts(request.headers.get("Accept", ""), _OPENMETRICS)
        packed = _accepts(request.headers.get("Accept-Encoding", ""), "gzip")
        body, kind = self._exposition(openmetrics=wanted, packed=packed)
        headers = {"Content-Type": kind, "Vary": "Accept, Accept-Encoding"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        return _answer(HTTPStatus.OK, body, headers)

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._feed.is_full:
            full = _plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many streams\n")
            full.headers["Retry-After"] = "5"
            return full
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                "Server": "k8s-leader",
            }
        )
        response.force_close()
        if request.method == "HEAD":
            return response
        with self._feed.subscribe() as stream:
            await response.prepare(request)
            self.keep(request.transport)
            await self._tell(response, stream)
        return response

    async def _tell(self, response: web.StreamResponse, stream: Stream) -> None:
        data: bytes | None = event("status", self._described())
        while data is not None:
            async with asyncio.timeout(_SLOW):  # who does not read is cut off
                await response.write(data)
            try:
                async with asyncio.timeout(_PING):
                    data = await stream.get()
            except TimeoutError:
                data = b": still here\n\n"


def _accepts(header: str, wanted: str) -> bool:
    """
    Tell whether a type or coding is among those accepted, and not refused by ``q=0``.
    """
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name == wanted and not any(map(_REFUSED.fullmatch, parameters)):
            return True
    return False


def _json(value: object) -> web.Response:
    body = json.dumps(value, indent=1).encode() + b"\n"
    return _answer(HTTPStatus.OK, body, {"Content-Type": _JSON})


def _plain(status: HTTPStatus, text: str) -> web.Response:
    return _answer(status, text.encode(), {"Content-Type": _TEXT})


def _answer(status: HTTPStatus, body: bytes, headers: dict[str, str]) -> web.Response:
    common = {"Cache-Control": "no-store", "Server": "k8s-leader"}
    response = web.Response(
        status=int(status), body=body, headers={**common, **headers}
    )
    response.force_close()
    return response
