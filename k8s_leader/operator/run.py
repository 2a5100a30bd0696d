"""
The operator's process: kopf watches, our own client writes.

It is run active/passive as any program is: ``k8s-leader run -- k8s-leader operator``.
"""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Sequence
from typing import Any

import kopf

from k8s_leader.clock import Clock, SystemClock
from k8s_leader.kube import KubeClient, KubeSettings
from k8s_leader.kube.pods import PodApi
from k8s_leader.leases.kubernetes import PREFIX
from k8s_leader.observers.cluster.names import LEASE
from k8s_leader.operator.janitor import Janitor
from k8s_leader.operator.releaser import Releaser
from k8s_leader.operator.view import ClusterView, key_of

__all__ = ["operate"]

_MANAGED = {PREFIX + "managed": "true"}


async def operate(*, namespaces: Sequence[str] = (), tidies: bool = True) -> None:
    """
    Run until told to stop by SIGTERM or SIGINT.

    Args:
        namespaces: where to act; none: in the whole cluster.
        tidies: whether marks are taken off Pods that lead no more.

    Raises:
        SettingsError: no API server can be found, or what leads there is wrong.
    """
    clock = SystemClock()
    async with KubeClient.connect(
        KubeSettings(), environ=os.environ, clock=clock
    ) as client:
        await kopf.operator(
            registry=handlers(client, clock=clock, tidies=tidies),
            settings=_settings(),
            identity=_identity(),
            standalone=True,  # the lease that runs us knows no second one
            clusterwide=not namespaces,
            namespaces=namespaces,
        )


def handlers(
    client: KubeClient, *, clock: Clock, tidies: bool
) -> kopf.OperatorRegistry:
    """
    Return what kopf calls for each change of a Lease or a Pod.

    Args:
        client: writes Leases and Pods; shared, and not closed here.
        clock: of this machine.
        tidies: whether marks are taken off Pods that lead no more.
    """
    registry = kopf.OperatorRegistry()
    view = ClusterView()
    releaser = Releaser(client.leases, view=view, clock=clock)
    janitor = Janitor(PodApi(client), client.leases, view=view) if tidies else None
    kopf.on.login(registry=registry)(_login)

    @kopf.on.event("leases.coordination.k8s.io", labels=_MANAGED, registry=registry)
    async def on_lease(event: kopf.RawEvent, **_: Any) -> None:
        if _keep(view.leases, event):
            await releaser.lease_changed(event["object"])
            if janitor is not None:
                await janitor.lease_changed(event["object"])

    @kopf.on.event("pods", labels={LEASE: kopf.PRESENT}, registry=registry)
    async def on_pod(event: kopf.RawEvent, **_: Any) -> None:
        if _keep(view.pods, event):
            await releaser.pod_changed(key_of(event["object"]))
            if janitor is not None:
                await janitor.pod_changed(key_of(event["object"]))

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
