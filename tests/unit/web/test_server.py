"""
Whatever clients do, the next honest request is answered, and nothing leaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8s_leader.errors import SettingsError
from k8s_leader.settings import HttpAddress
from k8s_leader.testing.clock import FakeClock
from k8s_leader.web.door import Door
from k8s_leader.web.health import Pulse
from k8s_leader.web.listen import listen, url_of
from k8s_leader.web.server import HttpServer
from tests.helpers.candidate import wait_until
from tests.helpers.http import ask
from tests.unit.web.conftest import Serve, Served


def sent(port: int, data: bytes) -> bytes:
    """
    Send raw bytes and return all that comes back.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := client.recv(65536):
                answer += chunk
        return answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x00\x01\x02\xff\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"BREW /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /livez HTTP/9.9\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\n" + b"X: y\r\n" * 50_000 + b"\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
    ],
    ids=["bytes", "path", "method", "version", "line", "field", "many", "-1", "tls"],
)
def test_nonsense_is_refused_and_the_next_request_is_answered(
    served: Served, data: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = sent(served.port, data)
    assert answer[:12] in (b"HTTP/1.1 " + status, b"HTTP/1.0 " + status, b"")
    assert ask(served.port, "/livez").status == 200
    assert caplog.records == [], "who sends nonsense does not fill our log"


def test_a_huge_body_is_not_read(served: Served) -> None:
    size = 1 << 30
    head = f"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    answer = sent(served.port, head.encode() + b"x" * 65536)
    assert answer[:12] in (b"HTTP/1.1 405", b"")
    assert ask(served.port, "/livez").status == 200


def test_requests_after_the_first_of_a_connection_are_not_answered(
    served: Served,
) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    assert sent(served.port, request * 1000).count(b"HTTP/1.1 200") == 1


def test_those_who_connect_and_say_nothing_make_room(served: Served) -> None:
    idle = []
    try:
        for _ in range(300):
            client = socket.create_connection(("127.0.0.1", served.port), timeout=20)
            client.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
            idle.append(client)
        assert ask(served.port, "/livez").status == 200
        idle[0].settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert idle[0].recv(1) == b"", "the oldest went first"
    finally:
        for client in idle:
            client.close()


class Kept(asyncio.Protocol):
    """
    A protocol that says nothing.
    """


async def doors(door: Door, number: int) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(door, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    clients = []
    for _ in range(number):
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        clients.append(client)
        await asyncio.sleep(0.01)
    listener.close()
    return clients


async def closed(client: socket.socket) -> bool:
    """
    Wait until the other side has closed; `False` when it does not for a second.
    """
    try:
        async with asyncio.timeout(1):
            await asyncio.get_running_loop().sock_recv(client, 1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


async def test_a_connection_lasts_as_long_as_its_patience() -> None:
    door = Door(Kept, patience=0.05)
    (client,) = await doors(door, 1)
    with client:
        assert await closed(client)
    assert not door._guests


async def test_the_oldest_makes_room_for_the_newest() -> None:
    door = Door(Kept, most=2, patience=60)
    first, second, third = await doors(door, 3)
    with first, second, third:
        assert await closed(first)
        assert not await closed(third)
    await asyncio.sleep(0.05)
    assert not door._guests, "those who left are not counted"


async def test_a_stream_is_let_out_of_the_count_and_of_the_patience() -> None:
    transports: list[asyncio.BaseTransport] = []

    class Stream(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(transport)
            door.leave(transport)

    door = Door(Stream, most=1, patience=0.05)
    first, second = await doors(door, 2)
    with first, second:
        assert not await closed(first)
    door.leave(None)
    for transport in transports:
        transport.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_all_addresses_are_those_of_ipv6_and_ipv4(served: Served, host: str) -> None:
    assert ask(served.port, "/livez", host=host).status == 200


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:{}"),
        ("127.0.0.1", "http://127.0.0.1:{}"),
        ("::1", "http://[::1]:{}"),
        ("0.0.0.0", "http://127.0.0.1:{}"),
    ],
)
def test_the_url_is_the_one_for_processes_beside_us(host: str, url: str) -> None:
    with listen(HttpAddress(host=host, port=0)) as listening:
        assert url_of(listening) == url.format(listening.getsockname()[1])


def test_without_ipv6_all_addresses_are_those_of_ipv4(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen(HttpAddress(port=0)) as listening:
        assert listening.family is socket.AF_INET


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_a_port_in_use_is_one_clear_error(host: str) -> None:
    with listen(HttpAddress(host=host, port=0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(SettingsError) as caught:
            listen(HttpAddress(host=host, port=port))
    assert "--http" in str(caught.value)
    assert f"{host}:{port}" in str(caught.value)
    assert "in use" in str(caught.value)


def test_an_address_of_another_machine_is_one_clear_error() -> None:
    with pytest.raises(SettingsError, match="address of this machine"):
        listen(HttpAddress(host="192.0.2.1", port=0))


def test_a_port_that_needs_rights_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(*_: object, **__: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", denied)
    with pytest.raises(SettingsError, match="above 1023"):
        listen(HttpAddress(port=80))


def test_a_server_that_never_started_lets_go_of_its_port() -> None:
    listening = listen(HttpAddress(port=0))
    port = listening.getsockname()[1]
    server = HttpServer(listening, make_pages=lambda: pytest.fail("it never starts"))
    server.close()
    server.start()
    listen(HttpAddress(port=port)).close()


def test_a_closed_server_lets_go_of_its_port_and_ends_streams(serve: Serve) -> None:
    served = serve()
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        server = next(t for t in threading.enumerate() if t.name == "k8s-leader-http")
        served_by = server._target.__self__  # type: ignore[attr-defined]
        served_by.close(10)
        assert not server.is_alive()
        with contextlib.suppress(ConnectionError):
            while client.recv(65536):
                pass
    listen(HttpAddress(port=served.port)).close()


def test_a_server_that_cannot_be_loaded_is_logged_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> None:
        raise ImportError("no aiohttp")

    server = HttpServer(listen(HttpAddress(port=0)), make_pages=broken)  # type: ignore[arg-type]
    server.start()
    server.close(10)
    assert [r.message for r in caplog.records] == ["HTTP ended; the election goes on"]


def test_a_loop_that_turns_has_a_pulse_and_one_that_hangs_has_none() -> None:
    clock = FakeClock()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    pulse = Pulse(loop, clock=clock, limit=10)
    assert pulse() is None
    wait_until(lambda: pulse._asked_at is None, why="the loop answers")
    hang = threading.Event()
    loop.call_soon_threadsafe(hang.wait)
    assert pulse() is None
    clock.set(now=clock.now() + 9.9)
    assert pulse() is None
    clock.set(now=clock.now() + 0.1)
    assert pulse() == "it hangs for 10.0 s"
    hang.set()
    wait_until(lambda: pulse() is None, why="it goes on")
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    wait_until(lambda: pulse._asked_at is not None or pulse() is not None)
    loop.close()
    pulse._asked_at = None
    assert pulse() == "it is over"


@pytest.mark.slow
def test_ten_thousand_connections_do_not_keep_a_probe_waiting(served: Served) -> None:
    held: list[socket.socket] = []
    worst = 0.0
    try:
        for number in range(10_000):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", served.port))
            held.append(client)
            if len(held) > 500:  # of this process' own descriptors
                held.pop(0).close()
            if number % 1000 == 999:
                before = time.monotonic()
                assert ask(served.port, "/livez").status == 200
                worst = max(worst, time.monotonic() - before)
    finally:
        for client in held:
            client.close()
    assert worst < 10, "a kubelet gives up after its own time-out, not ours"


_words = st.sampled_from(
    (
        *(b"GET ", b"/livez", b"/status", b" HTTP/1.1", b"\r\n", b"Host: x", b": "),
        *(b"%00", b"Transfer-Encoding: chunked", b"Content-Length: 5", b"\x00"),
    )
)


@pytest.mark.slow
@given(st.lists(_words | st.binary(max_size=8), max_size=14).map(b"".join))
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_bytes_keep_the_next_request_from_being_answered(
    served: Served, data: bytes
) -> None:
    client = socket.create_connection(("127.0.0.1", served.port), timeout=20)
    with client, contextlib.suppress(ConnectionError):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        client.recv(65536)
    assert ask(served.port, "/livez").status == 200
