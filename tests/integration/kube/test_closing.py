"""
Nothing stays open after a client was closed, whatever the server does meanwhile.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from k8s_leader.errors import LeaseUnavailableError
from k8s_leader.kube import KubeSettings
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import connected, server_context, write_kubeconfig
from tests.helpers.tcp_proxy import TcpProxy


def over_tls(path: Path, url: str) -> KubeSettings:
    cluster = {"insecure-skip-tls-verify": True}
    config = write_kubeconfig(path / "config", server=url, cluster=cluster)
    return KubeSettings(kubeconfig=config)


async def test_a_watch_is_closed_though_the_server_never_says_good_bye(
    tmp_path: Path, sockets: list[socket.socket]
) -> None:
    async with FakeKube(tls=server_context()) as fake:
        with TcpProxy.before(fake.url) as proxy:
            async with connected(over_tls(tmp_path, proxy.url)) as client:
                events = client.leases.watch("default", "a")
                async with contextlib.aclosing(events):
                    assert (await anext(events)).kind == "current"
                    assert (await anext(events)).kind == "connected"
                    proxy.black_hole()
                assert any(each.fileno() >= 0 for each in sockets)
            assert [each.fileno() for each in sockets] == [-1] * len(sockets)
            assert sockets


async def test_a_handshake_that_never_ends_is_closed(
    tmp_path: Path, sockets: list[socket.socket]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with connected(over_tls(tmp_path, url)) as client:
            with pytest.raises(LeaseUnavailableError, match="no answer"):
                await client.leases.get("default", "a", timeout=0.1)
        assert [each.fileno() for each in sockets] == [-1]
