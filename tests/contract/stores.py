"""
The record stores under contract, each with what a test does behind their backs.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from k8s_leader.clock import SystemClock
from k8s_leader.election.record import Record
from k8s_leader.errors import LeaseConflictError
from k8s_leader.kube.client import KubeClient
from k8s_leader.kube.settings import KubeSettings
from k8s_leader.leases.kubernetes import KubernetesStore
from k8s_leader.leases.memory import MemoryLease, MemoryStore
from k8s_leader.leases.port import RecordStore
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.leases.shared import SharedLease
from k8s_leader.leases.sqlite import SqliteStore
from k8s_leader.testing.clock import FakeClock

__all__ = ["Backend", "MakeStore", "kubernetes", "memory", "shared", "sqlite"]

DURATION = 15.0
MakeStore = Callable[[], RecordStore]


class Delete(Protocol):
    async def __call__(self) -> None: ...


class Backend:
    """
    One lease, its candidates, and a hand that reaches into the record.
    """

    def __init__(self, make: MakeStore, *, delete: Delete) -> None:
        self.make = make
        self.delete = delete
        self.clock = FakeClock()
        self.store = make()
        self._stack = contextlib.AsyncExitStack()
        self._stack.push_async_callback(self.store.close)

    def candidate(self, identity: str, *, create: bool = True) -> RecordedLeaseManager:
        manager = RecordedLeaseManager(
            self.make(),
            identity=identity,
            clock=self.clock,
            lease_duration=DURATION,
            may_create=create,
        )
        self._stack.push_async_callback(manager.close)
        return manager

    async def record(self) -> Record:
        stored = await self.store.read()
        assert stored is not None
        return stored.record

    async def edit(self, **changes: object) -> None:
        """
        Change the record as somebody else would.
        """
        while True:
            stored = await self.store.read()
            assert stored is not None
            wanted = replace(stored.record, **changes)  # type: ignore[arg-type]  # any
            with contextlib.suppress(LeaseConflictError):
                await self.store.replace(stored, wanted)
                return

    async def close(self) -> None:
        await self._stack.aclose()


def memory() -> Backend:
    lease = MemoryLease()

    async def delete() -> None:
        lease.delete()

    return Backend(lambda: MemoryStore(lease), delete=delete)


def shared() -> Backend:
    """
    Return a memory lease whose candidates share their watch and their requests.
    """
    alone = memory()
    together = SharedLease()
    made = Backend(lambda: together.store(alone.make()), delete=alone.delete)
    made.store = alone.store  # what others write, they write from elsewhere
    return made


def sqlite(path: Path) -> Backend:
    def make() -> SqliteStore:
        return SqliteStore(path, name="job", timeout=10.0)

    async def delete() -> None:
        store = make()
        await store.delete()
        await store.close()

    return Backend(make, delete=delete)


@contextlib.asynccontextmanager
async def kubernetes(
    kubeconfig: str, *, namespace: str, delete: Callable[[str], None]
) -> AsyncIterator[Backend]:
    """
    Lend a Lease of its own on any API server.
    """
    name = f"job-{uuid.uuid4().hex[:8]}"
    settings = KubeSettings(kubeconfig=kubeconfig)

    async def gone() -> None:
        delete(name)

    async with KubeClient.connect(settings, environ={}, clock=SystemClock()) as client:
        yield Backend(
            lambda: KubernetesStore(
                client.leases, namespace=namespace, name=name, timeout=20.0
            ),
            delete=gone,
        )
