"""
The few calls on Leases: get, create, replace and watch.

Payloads are plain dicts, so that fields this package does not know survive a PUT.
Guarantees: reads are quorum reads (never ``resourceVersion=0``); each call is bounded
by its time-out; calls and watches use different connections. Not guaranteed: that a
call which raised had no effect; a write may have landed before its answer was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final
from urllib.parse import quote

from k8s_leader.clock import Clock
from k8s_leader.errors import LeaseError, LeaseMalformedError, LeaseNotFoundError
from k8s_leader.kube.answers import Right, parse
from k8s_leader.kube.transport import Transport
from k8s_leader.kube.watch import Watch, WatchEvent, WatchTiming

__all__ = ["LeaseApi", "leases_path"]

_EXPECTED: Final = ("uid", "resourceVersion")
_PAGE: Final = "500"
_OPENING: Final = 10
"""So many watches are opened at a time, for the reason of the limit of calls."""
_API: Final = "/apis/coordination.k8s.io/v1"


def leases_path(namespace: str, name: str | None = None) -> str:
    """
    Return the path of a namespace's Leases, or of one of them; ``""``: of all.
    """
    if not namespace:
        return f"{_API}/leases"
    path = f"{_API}/namespaces/{quote(namespace, safe='')}/leases"
    return path if name is None else f"{path}/{quote(name, safe='')}"


class LeaseApi:
    """
    Leases of one API server.

    Args:
        calls: the connections for reads and writes.
        watches: the connections for watches.
        clock: for dates in Retry-After.
        watch_timing: how patient watches are.
    """

    def __init__(
        self,
        calls: Transport,
        *,
        watches: Transport,
        clock: Clock,
        watch_timing: WatchTiming | None = None,
    ) -> None:
        self._calls = calls
        self._watches = watches
        self._clock = clock
        self._watch_timing = watch_timing or WatchTiming()
        self._gate = asyncio.Semaphore(_OPENING)

    async def get(
        self, namespace: str, name: str, *, timeout: float
    ) -> dict[str, Any] | None:
        """
        Return the Lease, or ``None`` when Kubernetes says there is none.

        Args:
            namespace: where it is.
            name: its name.
            timeout: seconds for the whole call.

        Raises:
            LeaseError: the one that fits; only `LeaseUnavailableError` is transient.
        """
        right = Right(verb="get", namespace=namespace, name=name)
        path = leases_path(namespace, name)
        try:
            return await self._lease("GET", path, right=right, timeout=timeout)
        except LeaseNotFoundError:
            return None

    async def list(self, namespace: str, *, timeout: float) -> list[dict[str, Any]]:
        """
        Return the Leases of a namespace, page by page.

        Args:
            namespace: where to look; empty: in all namespaces.
            timeout: seconds for one page.

        Raises:
            LeaseError: the one that fits.
        """
        right = Right(verb="list", namespace=namespace)
        query, items = {"limit": _PAGE}, []
        while True:
            answer = await self._calls.call(
                "GET", leases_path(namespace), timeout=timeout, query=query
            )
            page = parse(answer, right=right, wall=self._clock.wall())
            items += [item for item in page.get("items") or () if item]
            more = (page.get("metadata") or {}).get("continue")
            if not more:
                return items
            query = {"limit": _PAGE, "continue": more}

    async def create(
        self, namespace: str, body: dict[str, Any], *, timeout: float
    ) -> dict[str, Any]:
        """
        Create a Lease and return it as it was stored.

        Raises:
            LeaseConflictError: there is one of this name already.
            LeaseNotFoundError: there is no such namespace.
            LeaseError: the one that fits.
        """
        right = Right(verb="create", namespace=namespace, name=_name(body))
        path = leases_path(namespace)
        return await self._lease("POST", path, right=right, timeout=timeout, body=body)

    async def replace(
        self, namespace: str, body: dict[str, Any], *, timeout: float
    ) -> dict[str, Any]:
        """
        Write a Lease if nobody wrote since its resourceVersion; return what is stored.

        Args:
            namespace: where it is.
            body: the whole Lease as it was read, with ``metadata.name``,
                ``metadata.uid`` and ``metadata.resourceVersion``.
            timeout: seconds for the whole call.

        Raises:
            LeaseConflictError: somebody wrote since, or deleted it.
            LeaseNotFoundError: there is no such namespace.
            LeaseMalformedError: the body lacks one of the three (without a uid the
                API server would make a deleted Lease again), or it was refused.
            LeaseError: the one that fits.
        """
        name = _name(body)
        if not name or not all(body["metadata"].get(key) for key in _EXPECTED):
            msg = "a Lease is only replaced by name, uid and resourceVersion"
            raise LeaseMalformedError(msg)
        right = Right(verb="update", namespace=namespace, name=name)
        path = leases_path(namespace, name)
        return await self._lease("PUT", path, right=right, timeout=timeout, body=body)

    def watch(self, namespace: str, name: str) -> AsyncGenerator[WatchEvent, None]:
        """
        Return the events of one Lease, endlessly; see `k8s_leader.kube.watch`.
        """
        watch = Watch(
            self._watches,
            path=leases_path(namespace),
            namespace=namespace,
            name=name,
            clock=self._clock,
            timing=self._watch_timing,
            gate=self._gate,
        )
        return watch.events()

    async def warm(self, *, timeout: float) -> bool:
        """
        Make sure that a connection for writes is open; return whether it is.

        Asks for the version of the API server; the answer does not matter.
        """
        try:
            await self._calls.call("GET", "/version", timeout=timeout)
        except LeaseError:
            return False
        return True

    async def _lease(
        self,
        method: str,
        path: str,
        *,
        right: Right,
        timeout: float,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        answer = await self._calls.call(method, path, timeout=timeout, body=body)
        found = parse(answer, right=right, wall=self._clock.wall())
        metadata = found.get("metadata")
        if found.get("kind") != "Lease" or not isinstance(metadata, dict):
            raise LeaseMalformedError(f"{right}: the answer is no Lease")
        return found


def _name(body: dict[str, Any]) -> str | None:
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else None
