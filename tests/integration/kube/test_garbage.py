"""
A connection that is cut off takes its memory along.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from k8s_leader.errors import LeaseUnavailableError
from k8s_leader.kube import KubeSettings
from k8s_leader.kube.watch import WatchEvent
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import connected, server_context, write_kubeconfig
from tests.helpers.tcp_proxy import TcpProxy

_CUTS = 6
_STILL_CLOSING = 2


@pytest.fixture
def no_collector() -> Iterator[None]:
    """
    Only what nobody refers to is freed, at once.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _buffers() -> int:
    """
    Count the buffers of TLS connections that are held, the fake server's too.
    """
    return sum(
        type(each) is memoryview and each.nbytes >= 2**17 for each in gc.get_objects()
    )


async def _connect(events: AsyncGenerator[WatchEvent, None]) -> None:
    while (await anext(events)).kind != "connected":
        pass


@pytest.mark.slow
@pytest.mark.usefixtures("no_collector")
async def test_a_watch_that_is_cut_off_leaves_no_buffer_to_the_collector(
    tmp_path: Path,
) -> None:
    async with FakeKube(tls=server_context()) as fake:
        with TcpProxy.before(fake.url) as proxy:
            cluster = {"insecure-skip-tls-verify": True}
            config = tmp_path / "config"
            write_kubeconfig(config, server=proxy.url, cluster=cluster)
            async with connected(KubeSettings(kubeconfig=str(config))) as client:
                events = client.leases.watch("default", "a")
                async with contextlib.aclosing(events):
                    await _connect(events)
                    before = _buffers()
                    for _ in range(_CUTS):
                        proxy.reset()
                        await _connect(events)
                    assert before >= 2
                    assert _buffers() <= before + _STILL_CLOSING


async def test_what_broke_off_is_told_without_the_frames_it_broke_in(
    tmp_path: Path,
) -> None:
    with TcpProxy("127.0.0.1", 9) as proxy:
        proxy.refuse()
        config = tmp_path / "config"
        write_kubeconfig(config, server=f"http://127.0.0.1:{proxy.port}")
        async with connected(KubeSettings(kubeconfig=str(config))) as client:
            with pytest.raises(LeaseUnavailableError) as caught:
                await client.leases.get("default", "a", timeout=20.0)
    cause = caught.value.__cause__
    assert cause is not None
    while cause is not None:
        assert cause.__traceback__ is None
        cause = cause.__cause__
