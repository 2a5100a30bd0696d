"""
From a store's name to a lease manager that is ready for use.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from k8s_leader.clock import Clock
from k8s_leader.election.priority import HIGHEST, patience
from k8s_leader.election.timing import Timing
from k8s_leader.leases.port import RecordStore
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.values import dataclass

if TYPE_CHECKING:
    from k8s_leader.kube import KubeClient
    from k8s_leader.leases.kubernetes import Annotate
    from k8s_leader.leases.shared import SharedLease

__all__ = ["SQLITE_LEASE", "LeaseChoice", "Lender", "OpenLease", "open_manager"]

SQLITE_LEASE = "leader"
"""The name of the lease within its SQLite file."""


class Lender(Protocol):
    """
    Lends what several candidates of one process use together.
    """

    async def client(self) -> KubeClient:
        """
        Return their connection.
        """

    def lease(self, namespace: str, name: str) -> SharedLease:
        """
        Return what the candidates of one lease share.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseChoice:
    """
    Which lease, and how to reach it.

    Attributes:
        store: ``kubernetes`` or ``sqlite``.
        lease: the Lease's name, or the path of the SQLite file.
        namespace: of the Lease; ``None``: the kubeconfig's or the Pod's own.
        may_create: whether a missing Lease is made.
        priority: of the candidate, from 0 (never leads by itself) to 10.
        kubeconfig: path of a kubeconfig; ``None``: as client-go finds it.
        context: context of the kubeconfig; ``None``: its current one.
    """

    store: str
    lease: str
    namespace: str | None = None
    may_create: bool = True
    priority: int = HIGHEST
    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLease:
    """
    A manager with the names that people and workloads know the lease by.

    Attributes:
        manager: of the lease.
        lease: its name.
        namespace: where it is; empty outside Kubernetes.
        client: of its API server; ``None`` outside Kubernetes.
    """

    manager: RecordedLeaseManager
    lease: str
    namespace: str
    client: KubeClient | None = None


@asynccontextmanager
async def open_manager(
    choice: LeaseChoice,
    *,
    identity: str,
    clock: Clock,
    timing: Timing,
    annotate: Annotate | None = None,
    lend: Lender | None = None,
) -> AsyncIterator[OpenLease]:
    """
    Open the lease's store for the current event loop, and close it at the end.

    Args:
        choice: which lease.
        identity: of the candidate.
        clock: boot-time and wall clock.
        timing: of the election.
        annotate: what is noted on a Lease for people, besides the record.
        lend: lends a connection that others use, too, and what candidates of one lease
            share; ``None``: one of its own.

    Raises:
        SettingsError: credentials, kubeconfig or file cannot be used.
    """
    if choice.store == "sqlite":
        async with _open_sqlite(choice, identity, clock, timing) as opened:
            yield opened
    else:
        opening = _open_kubernetes(
            choice, identity, clock, timing, annotate=annotate, lend=lend
        )
        async with opening as opened:
            yield opened


def _recorded(
    store: RecordStore,
    choice: LeaseChoice,
    identity: str,
    clock: Clock,
    timing: Timing,
    *,
    make_again: str,
) -> RecordedLeaseManager:
    return RecordedLeaseManager(
        store,
        identity=identity,
        clock=clock,
        lease_duration=timing.lease_duration,
        may_create=choice.may_create,
        patience=patience(choice.priority),
        make_again=make_again,
    )


@asynccontextmanager
async def _open_sqlite(
    choice: LeaseChoice, identity: str, clock: Clock, timing: Timing
) -> AsyncIterator[OpenLease]:
    from k8s_leader.leases.sqlite import SqliteStore

    store = SqliteStore(choice.lease, name=SQLITE_LEASE, timeout=timing.request_timeout)
    manager = _recorded(
        store,
        choice,
        identity,
        clock,
        timing,
        make_again="start one candidate with --lease-create=true, once",
    )
    try:
        yield OpenLease(manager=manager, lease=choice.lease, namespace="")
    finally:
        await manager.close()


@asynccontextmanager
async def _connection(
    choice: LeaseChoice, clock: Clock, lend: Lender | None
) -> AsyncIterator[KubeClient]:
    from k8s_leader.kube import KubeClient, KubeSettings

    if lend is not None:
        yield await lend.client()
        return
    settings = KubeSettings(
        kubeconfig=choice.kubeconfig,
        context=choice.context,
        namespace=choice.namespace,
    )
    async with KubeClient.connect(settings, environ=os.environ, clock=clock) as client:
        yield client


@asynccontextmanager
async def _open_kubernetes(
    choice: LeaseChoice,
    identity: str,
    clock: Clock,
    timing: Timing,
    *,
    annotate: Annotate | None,
    lend: Lender | None,
) -> AsyncIterator[OpenLease]:
    from k8s_leader.leases.kubernetes import KubernetesStore, creation_command

    async with _connection(choice, clock, lend) as client:
        namespace = choice.namespace or client.namespace
        store: RecordStore = KubernetesStore(
            client.leases,
            namespace=namespace,
            name=choice.lease,
            timeout=timing.request_timeout,
            annotate=annotate,
        )
        if lend is not None:
            store = lend.lease(namespace, choice.lease).store(store)
        manager = _recorded(
            store,
            choice,
            identity,
            clock,
            timing,
            make_again=creation_command(namespace, choice.lease),
        )
        yield OpenLease(
            manager=manager, lease=choice.lease, namespace=namespace, client=client
        )
