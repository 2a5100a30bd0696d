"""
Several leases of one process over one thread and one client of the API server.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import k8s_leader
from k8s_leader.election.orders import STEP_DOWN
from tests.helpers.cluster import ApiServer
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import server_context, write_kubeconfig


async def lead(lease: str, runtime: k8s_leader.Runtime, *, together: Any) -> int:
    """
    Lead once, while the others lead too; return the fencing token.
    """
    others = set(threading.enumerate())  # of tests before
    async with k8s_leader.campaign(lease=lease, runtime=runtime) as candidate:
        async for term in candidate.terms():
            async with term:
                await together.wait()
                names = {t.name for t in set(threading.enumerate()) - others}
                assert "k8s-leader-election" not in names
                assert term.fencing_token is not None
                return term.fencing_token
    raise AssertionError("no term")


async def lead_all(config: str, leases: list[str]) -> list[int]:
    """
    Lead several leases at the same time over one runtime.
    """
    together = asyncio.Barrier(len(leases))
    async with k8s_leader.Runtime(kubeconfig=config) as runtime:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(lead(lease, runtime, together=together), name=lease)
                for lease in leases
            ]
        assert "k8s-leader-runtime" in {t.name for t in threading.enumerate()}
    gc.collect()  # what was left open would be complained of here
    assert "k8s-leader-runtime" not in {t.name for t in threading.enumerate()}
    return [task.result() for task in tasks]


async def test_leases_share_one_client_whose_connections_are_all_closed(
    tmp_path: Path,
) -> None:
    async with FakeKube(tls=server_context()) as fake:
        cluster = {"insecure-skip-tls-verify": True}
        config = write_kubeconfig(tmp_path / "c", server=fake.url, cluster=cluster)
        tokens = await lead_all(config, ["default/a", "default/b"])
        assert len(set(tokens)) == 2
        holders = [fake.leases[f"default/{n}"]["spec"]["holderIdentity"] for n in "ab"]
        assert holders == ["", ""]
        await fake.until(lambda: fake.watchers == 0)


@pytest.mark.kube
async def test_leases_share_one_client_of_a_real_api_server(
    api_server: ApiServer, namespace: str
) -> None:
    leases = [f"{namespace}/{name}" for name in ("a", "b", "c")]
    config = str(api_server.admin_kubeconfig)
    first = await lead_all(config, leases)
    second = await lead_all(config, leases)
    assert all(old < new for old, new in zip(first, second, strict=True))
    for name in "abc":
        found = api_server.request("GET", api_server.lease_path(namespace, name))
        assert found["spec"]["holderIdentity"] == ""


class Crowd:
    """
    Candidates for one Lease in one runtime, and what they send.
    """

    def __init__(self, runtime: k8s_leader.Runtime, sent: Mapping[Any, int]) -> None:
        self._runtime = runtime
        self._sent = sent
        self.terms: asyncio.Queue[k8s_leader.Term] = asyncio.Queue()

    async def compete(self, lease: str, *, listening: asyncio.Barrier) -> None:
        async with k8s_leader.campaign(lease=lease, runtime=self._runtime) as one:
            await listening.wait()
            async for term in one.terms():
                async with term:
                    self.terms.put_nowait(term)
                    await term.lost

    def sent(self, *verbs: str) -> int:
        return sum(count for (verb, _), count in self._sent.items() if verb in verbs)


@contextlib.asynccontextmanager
async def crowd(config: str, lease: str, *, size: int) -> AsyncIterator[Crowd]:
    async with k8s_leader.Runtime(kubeconfig=config) as runtime:
        assert runtime._loop is not None
        asked = asyncio.run_coroutine_threadsafe(runtime.client(), runtime._loop)
        made = Crowd(runtime, (await asyncio.wrap_future(asked)).sent)
        listening = asyncio.Barrier(size)
        tasks = [
            asyncio.create_task(made.compete(lease, listening=listening))
            for _ in range(size)
        ]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


@pytest.mark.kube
async def test_fifty_candidates_of_one_lease_share_a_watch_and_write_little(
    api_server: ApiServer, namespace: str
) -> None:
    config, lease = str(api_server.admin_kubeconfig), f"{namespace}/a"
    async with crowd(config, lease, size=50) as all_, asyncio.timeout(60):
        await all_.terms.get()
        for _ in range(5):
            before = all_.sent("update"), all_.sent("get", "list")
            await asyncio.to_thread(
                api_server.annotate_lease, namespace, "a", {STEP_DOWN: "true"}
            )
            await all_.terms.get()
            await asyncio.sleep(0.3)  # in which losers would ask for what they lost
            # A renewal and a check of the watch may fall into it.
            assert all_.sent("update") - before[0] <= 3
            assert all_.sent("get", "list") - before[1] <= 2
        assert all_.sent("watch", "list") == 2
        assert all_.sent("create") == 1


async def test_a_runtime_without_access_says_so_and_ends(tmp_path: Path) -> None:
    config = str(tmp_path / "missing")
    async with k8s_leader.Runtime(kubeconfig=config) as runtime:
        for _ in range(2):  # the second one is told, too
            with pytest.raises(k8s_leader.SettingsError, match="missing"):
                await lead("default/a", runtime, together=contextlib.nullcontext())
