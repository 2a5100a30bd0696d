"""
Leads the Services that ask for it to the leader of their Lease; see ``endpoints``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from k8s_leader.clock import Clock
from k8s_leader.errors import (
    LeaseConflictError,
    LeaseError,
    LeaseNotFoundError,
    LeaseUnavailableError,
)
from k8s_leader.kube import KubeClient
from k8s_leader.kube.answers import Right
from k8s_leader.observers.cluster.complaint import Complaint
from k8s_leader.observers.cluster.names import LEADER_OF
from k8s_leader.operator.duty import Duty
from k8s_leader.operator.endpoints import holds, slices
from k8s_leader.operator.view import Body, ClusterView, Key, annotations_of, key_of

__all__ = ["Switchboard"]

_logger = logging.getLogger(__name__)

_TIMEOUT = 3.0
_TRIES = 3
_ARRIVING = 10.0
"""Seconds after the start in which a Lease or Pod may only not be listed yet."""
_ROUND = 60.0
"""Seconds after which all slices are compared again: somebody may have changed them."""
_OURS: Final = ("addressType", "endpoints", "ports")


class Switchboard(Duty):
    """
    Writes EndpointSlices, whenever a Lease, its holder's Pod or the Service changes.

    Args:
        client: reads Leases, reads and writes EndpointSlices; shared, not closed here.
        view: Leases, Pods and Services.
        clock: of this machine.
    """

    def __init__(self, client: KubeClient, *, view: ClusterView, clock: Clock) -> None:
        self._client = client
        self._view = view
        self._clock = clock
        self._settled_at = clock.now() + _ARRIVING
        self._locks: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._written: dict[Key, list[dict[str, Any]]] = {}
        self._complaint = Complaint(
            "writing EndpointSlices", switch="nothing: leave --endpoint-slices out"
        )

    async def lease_changed(self, lease: Body) -> None:
        """
        Bring its Services up to date.
        """
        for key, service in list(self._view.services.items()):
            if _lease_of(service) == key_of(lease):
                await self.service_changed(key)

    async def lease_deleted(self, lease: Body) -> None:
        """
        Empty its Services: nobody leads.
        """
        await self.lease_changed(lease)

    async def pod_changed(self, pod: Key) -> None:
        """
        Bring the Services of what it holds up to date.
        """
        for lease in self._view.leases_of(pod):
            await self.lease_changed(lease)

    async def pod_deleted(self, pod: Body) -> None:
        """
        Empty the Services of what it held: its address is nobody's now.
        """
        for lease in self._view.leases_of(key_of(pod)):
            await self.lease_changed(lease)

    async def run(self) -> None:
        """
        Compare all slices with what is there, now and then, until cancelled.
        """
        await asyncio.sleep(_ARRIVING)
        while True:
            self._written.clear()
            for key in list(self._view.services):
                await self.service_changed(key)
            await asyncio.sleep(_ROUND)

    async def service_changed(self, service: Key) -> None:
        """
        Bring one Service up to date.
        """
        async with self._locks[service]:
            try:
                await self._update(service)
            except LeaseNotFoundError:
                return  # its namespace goes away
            except LeaseError as error:
                self._complaint.failed(error)

    async def _update(self, key: Key) -> None:
        service = self._view.services.get(key)
        if service is None:
            self._written.pop(key, None)
            return
        if service["spec"].get("selector"):
            _logger.warning("%s/%s has a selector: its slices are Kubernetes'", *key)
            return
        leader = self._leader(service)
        if leader is None and self._clock.now() < self._settled_at:
            return  # who leads may not be listed yet
        wanted = slices(service, leader)
        written = self._written.get(key)
        if wanted == written:
            return
        for one in wanted:
            await self._put(one)
        self._written[key] = wanted
        self._complaint.worked()
        who = "nobody" if leader is None else "/".join(key_of(leader))
        _logger.info("%s/%s leads to %s", *key, who)

    def _leader(self, service: Body) -> Body | None:
        """
        Return the Pod that holds the Service's Lease, if there is one and is known.
        """
        lease = self._view.leases.get(_lease_of(service))
        pod = None if lease is None else self._view.holder_pod(lease)
        return pod if pod is not None and lease and holds(pod, lease) else None

    async def _put(self, wanted: dict[str, Any]) -> None:
        """
        Write one slice, unless it is like that.

        Raises:
            LeaseUnavailableError: others wrote all the time; it is not as wanted.
        """
        for _ in range(_TRIES):
            found = await self._get(wanted)
            if found is None:
                done = await self._send("POST", wanted)
            elif _is_like(found, wanted):
                return
            else:
                done = await self._send("PUT", _edited(found, wanted))
            if done:
                return
        name = "/".join(key_of(wanted))
        raise LeaseUnavailableError(f"the EndpointSlice {name} kept changing")

    async def _get(self, wanted: Body) -> dict[str, Any] | None:
        namespace, name = key_of(wanted)
        try:
            return await self._client.request(
                "GET",
                _path(namespace, name),
                right=_right("get", namespace),
                timeout=_TIMEOUT,
            )
        except LeaseNotFoundError:
            return None

    async def _send(self, method: str, body: Body) -> bool:
        """
        Write; return whether nobody was faster.
        """
        namespace, name = key_of(body)
        verb, path = "update", _path(namespace, name)
        if method == "POST":
            verb, path = "create", _path(namespace)
        right = _right(verb, namespace)
        try:
            await self._client.request(
                method, path, right=right, timeout=_TIMEOUT, body=body
            )
        except LeaseConflictError:
            return False
        return True


def _lease_of(service: Body) -> Key:
    return key_of(service)[0], str(annotations_of(service).get(LEADER_OF))


def _is_like(found: Body, wanted: Body) -> bool:
    owned = found["metadata"].get("ownerReferences") or []
    return owned == wanted["metadata"]["ownerReferences"] and all(
        (found.get(name) or []) == wanted[name] for name in _OURS
    )


def _edited(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {**found["metadata"]}
    labels = {**(metadata.get("labels") or {}), **wanted["metadata"]["labels"]}
    metadata |= {
        "labels": labels,
        "ownerReferences": wanted["metadata"]["ownerReferences"],
    }
    return {**found, "metadata": metadata, **{name: wanted[name] for name in _OURS}}


def _path(namespace: str, name: str | None = None) -> str:
    base = "/apis/discovery.k8s.io/v1/namespaces"
    path = f"{base}/{quote(namespace, safe='')}/endpointslices"
    return path if name is None else f"{path}/{quote(name, safe='')}"


def _right(verb: str, namespace: str) -> Right:
    return Right(
        verb=verb,
        group="discovery.k8s.io",
        resource="endpointslices",
        namespace=namespace,
    )
