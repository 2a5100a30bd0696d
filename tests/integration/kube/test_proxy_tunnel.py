"""
HTTPS through a proxy: a tunnel by CONNECT, with TLS to the API server inside.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from k8s_leader.errors import LeaseUnavailableError
from k8s_leader.kube import KubeClient, KubeSettings
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import connected, pem, server_context, write_kubeconfig

HOST = "kube.test"  # no resolver knows it: only the proxy leads there


@dataclass
class Tunnels:
    """
    A proxy that knows one server, whatever it is called.
    """

    target: str
    refuse: bool = False
    asked: list[bytes] = field(default_factory=list)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._open.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            if self.refuse:
                writer.write(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
            else:
                await self._forward(reader, writer)
        writer.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        parts = urlsplit(self.target)
        back, forth = await asyncio.open_connection(parts.hostname, parts.port)
        self._open.add(forth)
        writer.write(b"HTTP/1.1 200 Go on\r\n\r\n")
        await asyncio.gather(_copy(reader, forth), _copy(back, writer))

    def cut(self) -> None:
        for writer in self._open:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxied(target: str) -> AsyncIterator[tuple[Tunnels, str]]:
    tunnels = Tunnels(target)
    server = await asyncio.start_server(tunnels.serve, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield tunnels, f"{host}:{port}"
    finally:
        server.close()
        tunnels.cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)


def config(folder: Path, fake: FakeKube, **cluster: str) -> KubeSettings:
    (folder / "ca.crt").write_text(pem("ca.pem"))
    port = urlsplit(fake.url).port
    path = write_kubeconfig(
        folder / "config",
        server=f"https://{HOST}:{port}",
        cluster={"certificate-authority": "ca.crt", **cluster},
    )
    return KubeSettings(kubeconfig=path)


async def read(client: KubeClient) -> object:
    return await client.leases.get("default", "a", timeout=20.0)


async def test_https_proxy_is_asked_for_a_tunnel_that_is_used_again(
    tmp_path: Path,
) -> None:
    async with (
        FakeKube(tls=server_context(), token=None) as fake,
        proxied(fake.url) as (tunnels, address),
    ):
        fake.create("default/a")
        environ = {"HOME": "/nowhere", "HTTPS_PROXY": f"http://me:pw@{address}"}
        async with connected(config(tmp_path, fake), environ) as client:
            assert await read(client)
            assert await read(client)
        (asked,) = tunnels.asked
    port = urlsplit(fake.url).port
    assert asked.startswith(f"CONNECT {HOST}:{port} HTTP/1.1\r\n".encode())
    assert base64.b64encode(b"me:pw") in asked  # for the proxy, and in the open
    assert b"Bearer" not in asked
    assert "Proxy-Authorization" not in fake.requests[0].headers


async def test_a_watch_goes_through_the_proxy_of_the_kubeconfig(
    tmp_path: Path,
) -> None:
    async with (
        FakeKube(tls=server_context()) as fake,
        proxied(fake.url) as (tunnels, address),
    ):
        settings = config(tmp_path, fake, **{"proxy-url": f"http://{address}"})
        async with (
            connected(settings) as client,
            contextlib.aclosing(client.leases.watch("default", "a")) as seen,
        ):
            assert (await anext(seen)).kind == "current"
            assert (await anext(seen)).kind == "connected"
            fake.create("default/a")
            assert (await anext(seen)).kind == "changed"
        assert len(tunnels.asked) >= 1


async def test_a_proxy_that_refuses_is_an_outage(tmp_path: Path) -> None:
    async with (
        FakeKube(tls=server_context()) as fake,
        proxied(fake.url) as (tunnels, address),
    ):
        tunnels.refuse = True
        environ = {"HOME": "/nowhere", "https_proxy": f"me:hunter2@{address}"}
        async with connected(config(tmp_path, fake), environ) as client:
            with pytest.raises(LeaseUnavailableError) as caught:
                await read(client)
        assert fake.requests == []
    assert "hunter2" not in str(caught.value)
