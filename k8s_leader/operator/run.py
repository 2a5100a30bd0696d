"""
The operator's process: kopf watches, our own client writes.

It is run active/passive as any program is: ``k8s-leader run -- k8s-leader operator``.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

import kopf
from prometheus_client import CollectorRegistry

from k8s_leader.clock import Clock, SystemClock
from k8s_leader.kube import KubeClient, KubeSettings
from k8s_leader.kube.events import EventApi
from k8s_leader.kube.pods import PodApi
from k8s_leader.leases.kubernetes import PREFIX
from k8s_leader.observers.cluster.names import LEADER_OF, LEASE
from k8s_leader.operator.columns import Columns
from k8s_leader.operator.duty import Duty
from k8s_leader.operator.flapping import Flapping
from k8s_leader.operator.janitor import Janitor
from k8s_leader.operator.metrics import LeaseMetrics, MetricsPage
from k8s_leader.operator.releaser import Releaser
from k8s_leader.operator.remake import Remaker
from k8s_leader.operator.switchboard import Switchboard
from k8s_leader.operator.view import ClusterView, key_of
from k8s_leader.settings.address import HttpAddress
from k8s_leader.values import dataclass
from k8s_leader.web.listen import listen
from k8s_leader.web.server import HttpServer

__all__ = ["Duties", "Office", "operate"]

_MANAGED = {PREFIX + "managed": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """
    What the operator does besides releasing the Leases of the dead.

    Attributes:
        tidies: takes marks off Pods that lead no more (``patch`` on ``pods``).
        columns: keeps the notes on Leases true.
        remakes: makes deleted Leases again on request (``create`` on ``leases``).
        events: says when the leader of a Lease keeps changing (``create`` on
            ``events``).
        endpoints: leads Services that ask for it to their leader (``list``, ``watch``
            on ``services``; ``get``, ``create``, ``update`` on ``endpointslices``).
        http: where metrics are shown; ``None``: nowhere.
    """

    tidies: bool = True
    columns: bool = True
    remakes: bool = True
    events: bool = True
    endpoints: bool = False
    http: HttpAddress | None = None


async def operate(duties: Duties, *, namespaces: Sequence[str] = ()) -> None:
    """
    Run until told to stop by SIGTERM or SIGINT.

    Args:
        duties: what to do.
        namespaces: where to act; none: in the whole cluster.

    Raises:
        SettingsError: no API server can be found, or what leads there is wrong; or
            the port for metrics cannot be had.
    """
    clock = SystemClock()
    async with (
        KubeClient.connect(KubeSettings(), environ=os.environ, clock=clock) as client,
        asyncio.TaskGroup() as tasks,
    ):
        office = Office(client, duties, clock=clock)
        with office.open_to_public():
            rounds = [
                tasks.create_task(work, name=name) for name, work in office.rounds
            ]
            try:
                # kopf leaves tasks alone that were there before it.
                await kopf.operator(
                    registry=office.registry,
                    settings=_settings(),
                    identity=_identity(),
                    standalone=True,  # the lease that runs us knows no second one
                    clusterwide=not namespaces,
                    namespaces=namespaces,
                )
            finally:
                for task in rounds:
                    task.cancel()


class Office:
    """
    All duties, and what kopf calls for each change of a Lease, a Pod or a Service.

    Args:
        client: reads and writes objects; shared, and not closed here.
        duties: what to do.
        clock: of this machine.

    Attributes:
        registry: kopf's handlers.
        rounds: work that goes on beside them, by name; each to be run by one task.
    """

    def __init__(self, client: KubeClient, duties: Duties, *, clock: Clock) -> None:
        self._view = view = ClusterView()
        self._http = duties.http
        self._metrics = LeaseMetrics(view, clock=clock)
        # The first one first: it makes the fail-over fast.
        self._duties: list[Duty] = [Releaser(client.leases, view=view, clock=clock)]
        self._duties.append(self._metrics)
        self.rounds: list[tuple[str, Coroutine[Any, Any, None]]] = []
        if duties.endpoints:
            switchboard = Switchboard(client, view=view, clock=clock)
            self._duties.append(switchboard)
            self.rounds.append(("endpoints", switchboard.run()))
        if duties.remakes:
            self._duties.append(Remaker(client.leases))
        if duties.tidies:
            self._duties.append(Janitor(PodApi(client), client.leases, view=view))
        if duties.events:
            self._duties.append(Flapping(EventApi(client), clock=clock))
        if duties.columns:
            columns = Columns(client.leases, view=view)
            self._duties.append(columns)
            self.rounds.append(("columns", columns.run()))
        self.registry = self._handlers(watches_services=duties.endpoints)

    @contextlib.contextmanager
    def open_to_public(self) -> Iterator[None]:
        """
        Show metrics meanwhile, where that is wanted.
        """
        if self._http is None:
            yield
            return
        registry = CollectorRegistry()
        registry.register(self._metrics)
        server = HttpServer(
            listen(self._http), make_pages=lambda: MetricsPage(registry)
        )
        server.start()
        try:
            yield
        finally:
            server.close(1.0)

    def _handlers(self, *, watches_services: bool) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(_login)

        @kopf.on.event("leases.coordination.k8s.io", labels=_MANAGED, registry=registry)
        async def on_lease(event: kopf.RawEvent, **_: Any) -> None:
            lease, exists = event["object"], _keep(self._view.leases, event)
            for duty in self._duties:
                await (duty.lease_changed if exists else duty.lease_deleted)(lease)

        @kopf.on.event("pods", labels={LEASE: kopf.PRESENT}, registry=registry)
        async def on_pod(event: kopf.RawEvent, **_: Any) -> None:
            pod, exists = event["object"], _keep(self._view.pods, event)
            for duty in self._duties:
                if exists:
                    await duty.pod_changed(key_of(pod))
                else:
                    await duty.pod_deleted(pod)

        if watches_services:
            wanted = {LEADER_OF: kopf.PRESENT}

            @kopf.on.event("services", annotations=wanted, registry=registry)
            async def on_service(event: kopf.RawEvent, **_: Any) -> None:
                _keep(self._view.services, event)
                for duty in self._duties:
                    await duty.service_changed(key_of(event["object"]))

        return registry


def _keep(seen: dict[Any, Any], event: kopf.RawEvent) -> bool:
    """
    Bring the view up to date; return whether the object exists.
    """
    body = event["object"]
    if event["type"] == "DELETED":
        seen.pop(key_of(body), None)
        return False
    seen[key_of(body)] = body
    return True


def _login(**facts: Any) -> kopf.ConnectionInfo | None:
    """
    Find the API server where our own client does: in a kubeconfig, else in the Pod.

    There by address, as all clients do: kopf's own way needs a working name server.
    """
    found = kopf.login_with_kubeconfig(**facts)
    if found is not None:
        return found
    found = kopf.login_with_service_account(**facts)
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    if found is None or not host:
        return found
    bracketed = f"[{host}]" if ":" in host else host
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return dataclasses.replace(found, server=f"https://{bracketed}:{port}")


def _identity() -> Any:  # kopf does not export the type
    """
    Name this process; kopf itself would ask for a user, which an image need not have.
    """
    return socket.gethostname()


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # no right to watch namespaces and definitions
    return settings
