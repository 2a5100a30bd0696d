"""
Hostile clients of the HTTP port of a real leader: no renewal comes later for them.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from prometheus_client import parser

from tests.helpers.candidate import boot_time, wait_until
from tests.helpers.http import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.candidate import Candidate, Journal

pytestmark = pytest.mark.slow

_CONNECTIONS = 10_000
_HELD = 400
"""Of them, at once: descriptors of this process, not of the leader."""

_LATE = 1.0
"""
Seconds. What a client can do to a renewal is measured by the bench, on a machine that
does nothing else; here a renewal must not wait for a client.
"""

_ODD = (
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: " + b"a/b;q=0.1," * 300 + b"\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /status HTTP/1.1\r\n" + b"X: y\r\n" * 30_000 + b"\r\n",
    b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 200_000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 4000,
    b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n" * 500,
)


def test_renewals_are_in_time_whatever_clients_do(
    leader: Candidate, port: int, journal: Journal
) -> None:
    said = leader.text()
    over = threading.Event()
    assaults = (_connect, _dawdle, _talk_nonsense, _read_nothing, _scrape)
    threads = [
        threading.Thread(target=assault, args=(port, over)) for assault in assaults
    ]
    for thread in threads:
        thread.start()
    begun = boot_time()
    threads[0].join()  # 10,000 connections were made
    wait_until(lambda: boot_time() > begun + 8.0, why="more than a lease is over")
    over.set()
    for thread in threads:
        thread.join()
    assert ask(port, "/livez").status == 200
    assert len(journal.tokens()) == 1
    late, confirmed = _margins(port)
    assert confirmed >= 6
    assert late == 0, f"{late} of {confirmed} renewals were late by over {_LATE} s"
    assert leader.text() == said, "neither a renewal nor a client fills the log"
    assert leader.stop() == 0


def _margins(port: int) -> tuple[float, float]:
    """
    Return how many renewals left less than 6 s of the grant, and how many there were.
    """
    text = ask(port, "/metrics").text
    samples = {
        sample.labels["le"]: sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "k8s_leader_lease_margin_seconds_bucket"
    }
    return samples["6.0"], samples["+Inf"]


def _repeated(once: Callable[[int], None]) -> Callable[[int, threading.Event], None]:
    def again(port: int, over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                once(port)

    return again


def _client(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def _connect(port: int, over: threading.Event) -> None:
    """
    Connect ten thousand times and say nothing.
    """
    held: list[socket.socket] = []
    for _ in range(_CONNECTIONS):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        held.append(client)
        if len(held) > _HELD:
            held.pop(0).close()
    for client in held:
        client.close()


def _dawdle(port: int, over: threading.Event) -> None:
    """
    Send a request byte by byte, on fifty connections.
    """
    slow: list[socket.socket] = []
    while not over.wait(0.05):
        with contextlib.suppress(OSError):
            if len(slow) < 50:
                slow.append(_client(port))
        for client in slow.copy():
            try:
                client.sendall(b"G")
            except OSError:
                slow.remove(client)
                client.close()
    for client in slow:
        client.close()


@_repeated
def _talk_nonsense(port: int) -> None:
    for request in _ODD:
        with _client(port) as client, contextlib.suppress(OSError):
            client.sendall(request)
            client.recv(1)


@_repeated
def _read_nothing(port: int) -> None:
    """
    Ask for much on many connections and take nothing of it.
    """
    with contextlib.ExitStack() as stack:
        for path in (b"/events", b"/metrics", b"/status") * 12:
            client = stack.enter_context(_client(port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")


@_repeated
def _scrape(port: int) -> None:
    ask(port, "/metrics", headers={"Accept-Encoding": "gzip"}, timeout=5)
