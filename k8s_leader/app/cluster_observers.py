"""
Puts together what is written into the cluster beside the lease.

Loaded only where there is a cluster: it pulls the API client in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from k8s_leader.app.cluster_side import ClusterSide
from k8s_leader.app.stores import OpenLease
from k8s_leader.clock import Clock
from k8s_leader.election.priority import HIGHEST
from k8s_leader.kube.client import KubeClient
from k8s_leader.kube.events import EventApi, ObjectRef
from k8s_leader.kube.pods import PodApi, PodRef
from k8s_leader.observers.cluster.event_writer import EventWriter
from k8s_leader.observers.cluster.peers import Peers
from k8s_leader.observers.cluster.pod_role import Marks, Pace, PodRole
from k8s_leader.release import installed_version

__all__ = ["open_observers"]

_logger = logging.getLogger(__name__)

_LAST_WORDS = 0.5
"""Seconds that the end of a candidacy waits for what is still to be written."""


@asynccontextmanager
async def open_observers(
    config: Mapping[str, Any],
    opened: OpenLease,
    *,
    client: KubeClient,
    identity: str,
    clock: Clock,
) -> AsyncIterator[ClusterSide]:
    """
    Lend the observers while a candidacy lasts; they write in tasks of their own.

    At the end what is still to be written gets half a second.

    Args:
        config: the ``cluster`` part of the elector's configuration.
        opened: the lease.
        client: of its API server; the observers get connections of their own.
        identity: of the candidate.
        clock: for the time of Events.
    """
    async with AsyncExitStack() as stack:
        apart = await stack.enter_async_context(client.apart())
        events = _events(config, apart, opened, identity=identity, clock=clock)
        role = _role(config, apart, opened, identity=identity)
        for writer in (events, role):
            if writer is not None:
                task = asyncio.create_task(writer.run(), name=type(writer).__name__)
                stack.push_async_callback(_end, task)
                stack.push_async_callback(_settle, writer)
        peers = _peers(config, apart, opened, clock=clock)
        if peers is not None:
            stack.push_async_callback(peers.close)
        yield ClusterSide(
            peers=peers,
            observers=tuple(writer for writer in (role, events) if writer is not None),
            farewell=role.step_back
            if role is not None and config["pod_label"]
            else None,
        )


def _events(
    config: Mapping[str, Any],
    client: KubeClient,
    opened: OpenLease,
    *,
    identity: str,
    clock: Clock,
) -> EventWriter | None:
    if not config.get("events"):
        return None
    pod = config.get("pod")
    about_pod = (ObjectRef(api_version="v1", kind="Pod", **pod),) if pod else ()

    def about() -> tuple[ObjectRef, ...]:
        lease = ObjectRef(
            api_version="coordination.k8s.io/v1",
            kind="Lease",
            namespace=opened.namespace,
            name=opened.lease,
            uid=opened.manager.uid,
        )
        return (lease, *about_pod)

    return EventWriter(EventApi(client), identity=identity, about=about, clock=clock)


def _role(
    config: Mapping[str, Any],
    client: KubeClient,
    opened: OpenLease,
    *,
    identity: str,
) -> PodRole | None:
    pod, cost = config.get("pod"), int(config.get("pod_deletion_cost") or 0)
    if pod is None or not (config.get("pod_label") or cost):
        return None
    marks = Marks(
        identity=identity,
        namespace=opened.namespace,
        lease=opened.lease,
        version=installed_version() or "unknown",
        role=bool(config.get("pod_label")),
        deletion_cost=cost,
        priority=config.get("priority", HIGHEST),
    )
    return PodRole(PodApi(client), PodRef(**pod), marks=marks, pace=Pace())


def _peers(
    config: Mapping[str, Any],
    client: KubeClient,
    opened: OpenLease,
    *,
    clock: Clock,
) -> Peers | None:
    pod = config.get("pod")
    if pod is None or not config.get("pod_label"):
        return None
    return Peers(
        PodApi(client),
        namespace=opened.namespace,
        lease=opened.lease,
        pod_namespace=pod["namespace"],
        clock=clock,
    )


async def _settle(writer: EventWriter | PodRole) -> None:
    try:
        async with asyncio.timeout(_LAST_WORDS):
            await writer.settle()
    except TimeoutError:
        _logger.debug("%s was not done in time", type(writer).__name__)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.error("%s ended", task.get_name(), exc_info=error)
