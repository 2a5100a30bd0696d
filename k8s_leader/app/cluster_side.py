"""
What the election has to know of what is written into the cluster beside the lease.

Light: without a cluster nothing more is loaded, the API client neither.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from k8s_leader.app.stores import OpenLease
from k8s_leader.clock import Clock
from k8s_leader.observers.port import Observer
from k8s_leader.release import installed_version
from k8s_leader.values import dataclass

if TYPE_CHECKING:
    from k8s_leader.observers.cluster.notes import LeaseNotes

__all__ = ["ClusterSide", "lease_notes", "open_cluster_side"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSide:
    """
    What the election has to know of all this.

    Attributes:
        observers: to be told.
        farewell: to be awaited before an orderly stop; ``None``: nothing to do.
        peers: the candidates as their Pods show them; ``None``: nobody knows.
    """

    observers: tuple[Observer, ...] = ()
    farewell: Callable[[], Awaitable[None]] | None = None
    peers: Callable[[], object] | None = None


def lease_notes(config: Mapping[str, Any], *, proves_death: bool) -> LeaseNotes | None:
    """
    Return the notes on the Lease, where they are wanted.

    Args:
        config: the ``cluster`` part of the elector's configuration.
        proves_death: whether the guard writes a termination log (rule S18).
    """
    if not config.get("lease_notes"):
        return None
    from k8s_leader.observers.cluster.notes import LeaseNotes

    pod = config.get("pod")
    return LeaseNotes(
        version=installed_version() or "unknown",
        pod=f"{pod['namespace']}/{pod['name']}" if pod else None,
        node=config.get("node"),
        proves_death=proves_death,
    )


@asynccontextmanager
async def open_cluster_side(
    config: Mapping[str, Any],
    opened: OpenLease,
    *,
    identity: str,
    clock: Clock,
) -> AsyncIterator[ClusterSide]:
    """
    Lend what writes into the cluster while a candidacy lasts.

    Args:
        config: the ``cluster`` part of the elector's configuration.
        opened: the lease; without an API server there is nothing to do.
        identity: of the candidate.
        clock: for the time of Events.
    """
    if opened.client is None:
        yield ClusterSide()
        return
    from k8s_leader.app.cluster_observers import open_observers

    observing = open_observers(
        config, opened, client=opened.client, identity=identity, clock=clock
    )
    async with observing as side:
        yield side
