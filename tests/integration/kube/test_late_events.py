"""
A watch whose events come late costs no request.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from k8s_leader.clock import SystemClock
from k8s_leader.election.observation import LossReason, Lost
from k8s_leader.kube import KubeSettings
from k8s_leader.leases.kubernetes import KubernetesStore
from k8s_leader.leases.port import Held, Sighting, StillHeld, closing
from k8s_leader.leases.recorded import RecordedLeaseManager
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import connected


class Stalled(KubernetesStore):
    """
    A store whose watch is heard only while somebody holds the gate open.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gate = asyncio.Event()
        self.gate.set()

    async def watch(self) -> AsyncIterator[Sighting]:
        async with closing(super().watch()) as sightings:
            async for sighting in sightings:
                await self.gate.wait()
                yield sighting


async def test_what_a_stalled_watch_tells_late_costs_no_request(tmp_path: Path) -> None:
    """
    A proxy held the events back, or our loop was busy: they come all at once.
    """
    async with contextlib.AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeKube())
        settings = KubeSettings(kubeconfig=fake.kubeconfig(tmp_path))
        client = await stack.enter_async_context(connected(settings))
        store = Stalled(client.leases, namespace="default", name="a", timeout=10.0)
        manager = RecordedLeaseManager(
            store, identity="me", clock=SystemClock(), lease_duration=15.0
        )
        assert isinstance(await manager.acquire(duration=15.0), Held)
        changes = manager.changes()
        told = asyncio.ensure_future(anext(changes))
        stack.callback(told.cancel)
        await fake.until(lambda: fake.watchers == 1)
        store.gate.clear()
        for _ in range(30):
            assert await manager.renew(duration=15.0) == StillHeld()
        fake.edit("default/a", lambda lease: lease["spec"].update(holderIdentity="b"))
        before = (fake.count("get"), fake.count("list"))
        store.gate.set()
        async with asyncio.timeout(30):
            assert await told == Lost(reason=LossReason.STOLEN, holder="b")
        assert (fake.count("get"), fake.count("list")) == before
        await changes.aclose()  # type: ignore[attr-defined]  # it is a generator
