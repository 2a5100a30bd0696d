"""
The misbehaving proxy misbehaves exactly as told.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.helpers.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(1024):
            self.request.sendall(data)


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with TcpProxy("127.0.0.1", server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()
        thread.join()


def _connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def test_bytes_pass_in_both_directions(proxy: TcpProxy) -> None:
    with _connect(proxy) as client:
        client.sendall(b"hello")

        assert client.recv(10) == b"hello"
    assert proxy.accepted == 1


def test_latency_delays_each_direction(proxy: TcpProxy) -> None:
    proxy.pass_through(latency=0.1)
    with _connect(proxy) as client:
        sent = time.monotonic()
        client.sendall(b"hello")

        assert client.recv(10) == b"hello"
    assert time.monotonic() - sent >= 0.2


def test_a_black_hole_holds_bytes_until_it_ends(proxy: TcpProxy) -> None:
    with _connect(proxy) as client:
        client.sendall(b"before")
        assert client.recv(10) == b"before"
        proxy.black_hole()
        client.sendall(b"held")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(10)

        proxy.pass_through()

        client.settimeout(5)
        assert client.recv(10) == b"held"


def test_a_black_hole_accepts_new_connections(proxy: TcpProxy) -> None:
    proxy.black_hole()
    with _connect(proxy) as client:
        client.settimeout(0.2)
        client.sendall(b"hello")
        with pytest.raises(TimeoutError):
            client.recv(10)


def test_a_reset_ends_the_connections_of_the_moment_only(proxy: TcpProxy) -> None:
    with _connect(proxy) as client:
        client.sendall(b"hello")
        assert client.recv(10) == b"hello"

        proxy.reset()

        with pytest.raises(ConnectionResetError):
            client.recv(10)
    with _connect(proxy) as client:
        client.sendall(b"again")
        assert client.recv(10) == b"again"


def test_refusal_ends_with_passing_on_the_same_port(proxy: TcpProxy) -> None:
    port = proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)

    proxy.pass_through()

    with _connect(proxy) as client:
        client.sendall(b"hello")
        assert client.recv(10) == b"hello"
    assert proxy.port == port
