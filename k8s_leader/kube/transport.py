"""
One pool of connections to the API server, on the REST client of kubernetes_asyncio.

Guarantees: a request and its whole answer, connecting included, take no longer than
the time given; nothing is sent twice, except once more after a 401 with credentials
that were fetched anew (a refused request did nothing); redirects, cookies, proxies of
the environment and ``~/.netrc`` have no effect; dead peers are noticed by the kernel.
Whatever goes wrong becomes one of our errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import aiohttp
from multidict import CIMultiDict

from k8s_leader.errors import LeaseMalformedError, LeaseUnavailableError
from k8s_leader.kube import lean
from k8s_leader.kube.access import Access
from k8s_leader.kube.answers import Answer
from k8s_leader.kube.tokens import Credential
from k8s_leader.values import dataclass

if TYPE_CHECKING:
    from kubernetes_asyncio.client.rest import RESTClientObject
else:
    RESTClientObject = lean.load("client.rest").RESTClientObject

__all__ = ["MAX_ANSWER", "Transport"]

MAX_ANSWER: Final = 8 * 2**20
"""Bytes of an answer at most; an object in etcd has at most 1.5 MiB."""

_IDLE: Final = 300.0
_LAST_TURNS: Final = 8
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_USER_TIMEOUT: Final = 20.0
_KEEPALIVE: Final = {
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPALIVE": 15,  # macOS
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": int(_USER_TIMEOUT * 1000),
}


class _NotSentTwiceError(aiohttp.ClientError):
    """
    Stands for an error after which aiohttp would send an idempotent request again.
    """


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _NotSentTwiceError(str(error) or type(error).__name__) from error


class _Pool:
    """
    What the REST client takes for its session: adds what it has no argument for.
    """

    def __init__(self, *, limit: int) -> None:
        self.tls: Any = True
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limit,
                keepalive_timeout=_IDLE,
                socket_factory=self._connect,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_send_once,),
            read_bufsize=2**20,
            trust_env=False,
        )

    async def request(self, **arguments: Any) -> aiohttp.ClientResponse:
        return await self._session.request(
            **arguments, ssl=self.tls, allow_redirects=False
        )

    def _connect(self, address: aiohttp.AddrInfoType) -> socket.socket:
        made = _socket(address)
        self._sockets.add(made)
        return made

    async def close(self) -> None:
        """
        Close all connections, also those that wait for the server's good-bye in TLS.
        """
        await self._session.close()
        for _ in range(_LAST_TURNS):  # a connection that was being made closes later
            await asyncio.sleep(0)
            for each in self._sockets:
                if each.fileno() >= 0:
                    with contextlib.suppress(OSError):  # it never was connected
                        each.shutdown(socket.SHUT_RDWR)


class _Rest(RESTClientObject):
    """
    The REST client of kubernetes_asyncio over our pool instead of its own.
    """

    def __init__(self, access: Access, *, limit: int) -> None:
        # Not calling super: it would make a session that trusts the environment.
        self.pool = _Pool(limit=limit)
        vars(self).update(
            pool_manager=self.pool,
            server_hostname=access.tls_server_name,
            proxy=access.proxy,
            proxy_headers=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    path: str
    query: dict[str, str] | None = None
    body: Any = None
    content_type: str = "application/json"

    streams: bool = False

    @property
    def what(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def verb(self) -> str:
        """
        The verb as Kubernetes names it; every list of ours has a query.
        """
        if self.method == "GET":
            return "watch" if self.streams else "list" if self.query else "get"
        return _VERBS.get(self.method, self.method.lower())


class Transport:
    """
    Sends requests; one for the calls, another one for the watches.

    Args:
        access: whom to talk to, and as whom.
        user_agent: how we present ourselves.
        sent: where requests are counted by verb and status (``none``: no answer).
        limit: so many connections at most; ``0``: as many as are asked for.
    """

    def __init__(
        self,
        access: Access,
        *,
        user_agent: str,
        sent: Counter[tuple[str, ...]],
        limit: int = 0,
    ) -> None:
        self._access = access
        self._sent = sent
        self._rest = _Rest(access, limit=limit)
        self._agent = user_agent

    async def close(self) -> None:
        """
        Close all connections.
        """
        await self._rest.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Answer:
        """
        Return the complete answer, whatever its status.

        Args:
            method: the HTTP method.
            path: the path under the host, quoted.
            timeout: seconds that everything together may take.
            query: the query parameters.
            body: what to send as JSON.
            content_type: the type of the body.

        Raises:
            LeaseUnavailableError: there was no complete answer in time.
            LeaseMalformedError: the answer is larger than any Kubernetes object.
        """
        request = _Request(
            method=method, path=path, query=query, body=body, content_type=content_type
        )
        async with (
            _bounded(timeout, what=request.what),
            self._exchange(request) as response,
        ):
            content = await _read(response)
            headers = dict(response.headers)
            return Answer(status=response.status, headers=headers, body=content)

    def stream(
        self, path: str, *, query: dict[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """
        Lend the response to a GET as soon as its headers are there.

        It has no time limit of its own. Whatever breaks off while the body is read
        inside the ``with`` comes out of it as an error of ours.

        Args:
            path: the path under the host, quoted.
            query: the query parameters.
        """
        request = _Request(method="GET", path=path, query=query, streams=True)
        return self._exchange(request)

    @contextlib.asynccontextmanager
    async def _exchange(
        self, request: _Request
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        response = None
        try:
            credential = await self._access.tokens.current()
            response = await self._send(request, credential)
            if response.status == HTTPStatus.UNAUTHORIZED:
                fresh = await self._access.tokens.renewed()
                if fresh != credential:
                    response.close()
                    response = await self._send(request, fresh)
            yield response
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._failed(error, what=request.what) from _framelessly(error)
        finally:
            if response is not None:
                response.release()

    async def _send(
        self, request: _Request, credential: Credential
    ) -> aiohttp.ClientResponse:
        headers: Any = CIMultiDict(self._access.headers)
        headers["Accept"] = "application/json"
        headers["Accept-Encoding"] = "identity"
        headers["User-Agent"] = self._agent
        headers["Content-Type"] = request.content_type
        if credential.authorization:
            headers["Authorization"] = credential.authorization
        if self._access.tls is not None:
            self._rest.pool.tls = await self._access.tls.current(credential)
        status = "none"
        try:
            response: aiohttp.ClientResponse = await self._rest.request(
                request.method,
                self._access.host + request.path,
                query_params=request.query,
                headers=headers,
                body=request.body,
                _preload_content=False,
                _request_timeout=aiohttp.ClientTimeout(total=None),
            )
            status = str(response.status)
        finally:
            self._sent[request.verb, status] += 1
        return response

    def _failed(self, error: Exception, *, what: str) -> LeaseUnavailableError:
        if isinstance(error, aiohttp.ClientSSLError) and self._access.tls is not None:
            self._access.tls.expire()
        # Only some errors are quoted: others name the proxy with its password.
        quoted = isinstance(
            error, (aiohttp.ClientConnectorError, _NotSentTwiceError)
        ) and not isinstance(error, aiohttp.ClientProxyConnectionError)
        # aiohttp tells where the TLS context lies in memory, which helps nobody.
        said = re.sub(r" ssl:<[^>]*>", "", " ".join(str(error).split()))
        detail = f": {said[:300]}" if quoted else ""
        return LeaseUnavailableError(
            f"{what}: {type(error).__name__.strip('_')}{detail}"
        )


def _framelessly(error: Exception) -> Exception:
    """
    Return the error; it and what caused it no longer hold the frames they came from.

    The frame in which a read fails holds the buffer of its connection, a quarter of a
    MiB, and aiohttp's streams and errors hold each other. Each watch that was cut off
    left that much garbage to the collector, which rarely looks that far back.
    """
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__
    return error


@contextlib.asynccontextmanager
async def _bounded(timeout: float, *, what: str) -> AsyncIterator[None]:
    if timeout <= 0:
        raise LeaseUnavailableError(f"{what}: no time left to ask")
    try:
        async with asyncio.timeout(timeout):
            yield
    except TimeoutError:
        raise LeaseUnavailableError(f"{what}: no answer in {timeout:.3g} s") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_ANSWER:
            response.close()
            raise LeaseMalformedError(f"an answer of more than {MAX_ANSWER} bytes")
    return bytes(content)


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """
    Make a socket whose dead peer the kernel notices within about half a minute.
    """
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
