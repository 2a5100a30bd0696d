"""
Writing orders into a Lease, for people; what they mean is in ``election/orders.py``.

Only annotations are changed, by compare-and-swap on what was just read: an order is
never written over a state that it was not meant for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from k8s_leader.app.stores import LeaseChoice
from k8s_leader.clock import Clock
from k8s_leader.election.record import Record
from k8s_leader.errors import (
    LeaseConflictError,
    LeaseNotFoundError,
    LeaseUnavailableError,
    SettingsError,
)
from k8s_leader.kube import KubeClient, KubeSettings
from k8s_leader.leases.kubernetes import parse

__all__ = ["Orders", "check_takes_orders", "give_orders"]

Orders = Mapping[str, str | None]
"""Annotation → value; ``None`` takes it away."""

_TIMEOUT = 10.0
_TRIES = 5
"""A leader writes every few seconds, so a conflict is rare and two are odd."""


def check_takes_orders(choice: LeaseChoice) -> None:
    """
    Refuse a lease that is not on Kubernetes.

    Raises:
        SettingsError: it is not.
    """
    if choice.store != "kubernetes":
        raise SettingsError(
            "LEASE",
            f"{choice.store}:{choice.lease}",
            allowed="a Lease of Kubernetes, as [NAMESPACE/]NAME",
            fix="orders are annotations, which only Kubernetes has; stop the leader",
        )


async def give_orders(
    choice: LeaseChoice, orders: Callable[[Record], Orders], *, clock: Clock
) -> None:
    """
    Write orders into a Lease.

    Args:
        choice: which Lease.
        orders: called with what the Lease says, again after each conflict; returns
            what to write, or raises when that is not what the order was meant for.
        clock: for the credentials' age.

    Raises:
        SettingsError: credentials or kubeconfig cannot be used.
        LeaseNotFoundError: there is no such Lease.
        LeaseForbiddenError: a right is missing; carries the rule.
        LeaseError: the one that fits.
    """
    settings = KubeSettings(
        kubeconfig=choice.kubeconfig,
        context=choice.context,
        namespace=choice.namespace,
    )
    async with KubeClient.connect(settings, environ=os.environ, clock=clock) as client:
        for _ in range(_TRIES):
            if await _give(client, choice.lease, orders):
                return
    raise LeaseUnavailableError("the Lease kept changing; nothing was ordered")


async def _give(
    client: KubeClient, lease: str, orders: Callable[[Record], Orders]
) -> bool:
    body = await client.leases.get(client.namespace, lease, timeout=_TIMEOUT)
    if body is None:
        raise LeaseNotFoundError(f"there is no Lease {client.namespace}/{lease} now")
    _annotate(body, orders(parse(body).record))
    try:
        await client.leases.replace(client.namespace, body, timeout=_TIMEOUT)
    except LeaseConflictError:
        return False
    return True


def _annotate(body: dict[str, Any], orders: Orders) -> None:
    annotations = dict(body["metadata"].get("annotations") or {})
    for name, value in orders.items():
        if value is None:
            annotations.pop(name, None)
        else:
            annotations[name] = value
    body["metadata"]["annotations"] = annotations
