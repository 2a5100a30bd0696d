"""
Looking at leases for people: the record, its notes, and who else is a candidate.

Only reads, and decides nothing. A SQLite file is opened for reading, so that a wrong
path neither makes a file nor tables in somebody's database.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import field
from typing import Any, Protocol

from k8s_leader.app.stores import SQLITE_LEASE, LeaseChoice
from k8s_leader.clock import Clock
from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import LeaseForbiddenError, LeaseNotFoundError
from k8s_leader.kube import KubeClient, KubeSettings
from k8s_leader.kube.pods import PodApi
from k8s_leader.leases.kubernetes import KubernetesStore, parse
from k8s_leader.leases.port import Sighting
from k8s_leader.leases.sqlite import SqliteStore, glance
from k8s_leader.observers.cluster.candidates import (
    Candidate,
    candidates,
    count_candidates,
)
from k8s_leader.values import dataclass

__all__ = [
    "Lookout",
    "View",
    "annotations_of",
    "list_views",
    "open_lookout",
    "renews",
    "view_of",
]

_TIMEOUT = 10.0
"""Seconds for one request: people wait, no deadline hangs on it."""

_PAUSE = 0.2
"""Seconds between two looks at a lease that shall change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """
    A lease as people see it.

    Attributes:
        store: ``kubernetes`` or ``sqlite``.
        namespace: where it is; empty outside Kubernetes.
        lease: its name, or the path of its file.
        record: what it says.
        notes: its annotations.
        labels: its labels.
        candidates: of its Pods; ``None``: not known.
        blind: why they are not known; ``None``: the store has no such list.
    """

    store: str
    namespace: str
    lease: str
    record: Record
    notes: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    candidates: Sequence[Candidate] | None = None
    blind: LeaseForbiddenError | None = None

    @property
    def full_name(self) -> str:
        """
        Return the name as it is written in ``--lease``.
        """
        if self.store == "sqlite":
            return f"sqlite:{self.lease}"
        return f"{self.namespace}/{self.lease}"


class Lookout(Protocol):
    """
    Eyes on one lease.
    """

    async def view(self, *, with_candidates: bool = True) -> View:
        """
        Look once.

        Raises:
            LeaseNotFoundError: there is no such lease.
            LeaseError: the one that fits.
        """

    def changes(self) -> AsyncIterator[Sighting]:
        """
        Yield the lease as it is and as it changes; endless.
        """


@asynccontextmanager
async def open_lookout(choice: LeaseChoice, *, clock: Clock) -> AsyncIterator[Lookout]:
    """
    Lend eyes on a lease.

    Raises:
        SettingsError: credentials, kubeconfig or file cannot be used.
    """
    if choice.store == "sqlite":
        yield _SqliteLookout(choice.lease)
        return
    settings = KubeSettings(
        kubeconfig=choice.kubeconfig,
        context=choice.context,
        namespace=choice.namespace,
    )
    async with KubeClient.connect(settings, environ=os.environ, clock=clock) as client:
        yield _KubernetesLookout(client, choice.lease)


class _SqliteLookout:
    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)

    async def view(self, *, with_candidates: bool = True) -> View:
        stored = glance(self._path, name=SQLITE_LEASE)
        if stored is None:
            raise LeaseNotFoundError(
                f"there is no lease in {self._path}. Fix: correct the path, or start a "
                f"candidate with --lease sqlite:{self._path}"
            )
        return View(
            store="sqlite", namespace="", lease=self._path, record=stored.record
        )

    async def changes(self) -> AsyncIterator[Sighting]:
        await self.view()  # opening the store would make what is not there
        store = SqliteStore(self._path, name=SQLITE_LEASE, timeout=_TIMEOUT)
        try:
            async for sighting in store.watch():
                yield sighting
        finally:
            await store.close()


class _KubernetesLookout:
    def __init__(self, client: KubeClient, lease: str) -> None:
        self._client, self._lease = client, lease

    async def view(self, *, with_candidates: bool = True) -> View:
        namespace = self._client.namespace
        body = await self._client.leases.get(namespace, self._lease, timeout=_TIMEOUT)
        if body is None:
            raise LeaseNotFoundError(
                f"there is no Lease {namespace}/{self._lease}. Fix: correct the name "
                "or the namespace; `k8s-leader list -A` shows all there are"
            )
        found: Sequence[Candidate] | None = None
        blind: LeaseForbiddenError | None = None
        try:
            if with_candidates:
                found = await candidates(
                    PodApi(self._client),
                    namespace=namespace,
                    lease=self._lease,
                    timeout=_TIMEOUT,
                )
        except LeaseForbiddenError as exc:
            blind = exc
        return view_of(body, candidates=found, blind=blind)

    async def changes(self) -> AsyncIterator[Sighting]:
        await self.view(with_candidates=False)  # a missing right is said at once
        store = KubernetesStore(
            self._client.leases,
            namespace=self._client.namespace,
            name=self._lease,
            timeout=_TIMEOUT,
        )
        async for sighting in store.watch():
            yield sighting


async def renews(
    lookout: Lookout, *, clock: Clock, patience: float
) -> tuple[View | None, bool]:
    """
    Look until the holder renews or somebody takes the lease; return the last view.

    A holder that lives is one whose record was seen to change; another machine's
    ``renewTime`` is never compared with a clock of ours (S7).

    Args:
        lookout: eyes on the lease.
        clock: of this machine.
        patience: seconds to wait.
    """
    deadline = clock.now() + patience
    first: Record | None = None
    while True:
        try:
            view: View | None = await lookout.view(with_candidates=False)
        except LeaseNotFoundError:
            view = None
        record = view.record if view else None
        alive = bool(first and record and record.holder and record != first)
        if alive or clock.now() >= deadline:
            return view, alive
        first = first or record
        await asyncio.sleep(_PAUSE)


async def list_views(
    settings: KubeSettings, *, everywhere: bool, clock: Clock
) -> tuple[list[View], Mapping[tuple[str, str], int] | None]:
    """
    Return the Leases, and the number of candidates by namespace and name.

    Args:
        settings: how the API server is reached, and the namespace.
        everywhere: look in all namespaces.
        clock: for the credentials' age.

    Raises:
        SettingsError: credentials or kubeconfig cannot be used.
        LeaseError: the API server does not answer, or forbids to list Leases; when it
            forbids to list Pods the numbers are ``None``.
    """
    async with KubeClient.connect(settings, environ=os.environ, clock=clock) as client:
        namespace = "" if everywhere else client.namespace
        bodies = await client.leases.list(namespace, timeout=_TIMEOUT)
        views = [view_of(body) for body in bodies]
        try:
            counts = await count_candidates(
                PodApi(client), namespace=namespace, timeout=_TIMEOUT
            )
        except LeaseForbiddenError:
            return views, None
        return views, counts


def view_of(
    body: Mapping[str, Any],
    *,
    candidates: Sequence[Candidate] | None = None,
    blind: LeaseForbiddenError | None = None,
) -> View:
    """
    Return the view of a Lease object.
    """
    metadata = body["metadata"]
    return View(
        store="kubernetes",
        namespace=str(metadata.get("namespace", "")),
        lease=str(metadata.get("name", "")),
        record=parse(body).record,
        notes=metadata.get("annotations") or {},
        labels=metadata.get("labels") or {},
        candidates=candidates,
        blind=blind,
    )


def annotations_of(stored: Stored) -> Mapping[str, str]:
    """
    Return the annotations of a Lease that was read; none of another store's.
    """
    body = stored.handle if isinstance(stored.handle, Mapping) else {}
    return (body.get("metadata") or {}).get("annotations") or {}
