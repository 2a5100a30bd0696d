"""
Looking at a Lease from outside: who holds it, and whether that holder renews.

Only reads, needs only the right to ``get`` the one Lease, and never compares another
machine's ``renewTime`` with a clock of ours (S7): a holder that lives is one whose
record was seen to change.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from k8s_leader.clock import Clock
from k8s_leader.election.record import Record
from k8s_leader.kube import KubeClient, KubeSettings
from k8s_leader.leases.kubernetes import parse

__all__ = ["Sight", "look"]

_PAUSE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """
    What was seen of a Lease.

    Attributes:
        namespace: where it is.
        record: what it said at last; ``None``: there is no such Lease.
        renewed: whether its holder was seen to renew or to take it.
    """

    namespace: str
    record: Record | None
    renewed: bool


async def look(
    settings: KubeSettings, lease: str, *, clock: Clock, patience: float = 0.0
) -> Sight:
    """
    Look at a Lease until its holder renews, or until patience ends.

    Args:
        settings: how the API server is reached, and the namespace.
        lease: its name.
        clock: of this machine.
        patience: seconds to wait for a renewal; 0: one look.

    Raises:
        SettingsError: credentials or kubeconfig cannot be used.
        LeaseError: the API server does not answer, or forbids to look.
    """
    async with KubeClient.connect(settings, environ=os.environ, clock=clock) as client:
        deadline = clock.now() + patience
        first: Record | None = None
        while True:
            body = await client.leases.get(client.namespace, lease, timeout=10.0)
            record = parse(body).record if body else None
            alive = bool(first and record and record.holder and record != first)
            if alive or clock.now() >= deadline:
                break
            first = first or record
            await asyncio.sleep(_PAUSE)
        return Sight(namespace=client.namespace, record=record, renewed=alive)
