"""
A plain HTTP client for tests of our server: one request, no redirects, no proxy.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Answer", "ask", "events", "free_port"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What came back.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """
        Return the body as text.
        """
        return self.body.decode()

    def json(self) -> Any:
        """
        Return the body as JSON.
        """
        return json.loads(self.body)


def ask(
    port: int,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
    timeout: float = 20.0,
    body: bytes | None = None,
) -> Answer:
    """
    Ask for a page of a server on this machine.

    Raises:
        OSError: nobody listens, or nobody answers in time.
    """
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request(method, path, headers=dict(headers or {}), body=body)
        answer = connection.getresponse()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(status=answer.status, headers=fields, body=answer.read())


def events(port: int, *, timeout: float = 20.0) -> Iterator[tuple[str, Any]]:
    """
    Yield the kind and the data of server-sent events until the stream ends.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET", "/events")
        kind = ""
        for raw in connection.getresponse():
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))


def free_port() -> int:
    """
    Return a port that nobody listened on a moment ago.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
