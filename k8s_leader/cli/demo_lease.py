"""
Takes the demo's Lease away again.

Candidates never delete a Lease, and nothing else here does: this one was made for a
demonstration that is over, under a name that nobody else knows.
"""

from __future__ import annotations

import asyncio
import os
import sys

from k8s_leader.clock import SystemClock
from k8s_leader.errors import LeaderError, LeaseNotFoundError
from k8s_leader.kube import KubeClient, KubeSettings
from k8s_leader.kube.answers import Right
from k8s_leader.kube.lease_api import leases_path

__all__ = ["remove_lease"]

_TIMEOUT = 10.0


def remove_lease(name: str) -> None:
    """
    Delete a Lease of the current namespace; when that fails, say how to do it.
    """
    try:
        asyncio.run(_delete(name))
    except LeaseNotFoundError:
        return  # no candidate came so far as to make it
    except LeaderError as error:
        print(
            f"k8s-leader: warning: the demo's Lease is left: {error}. "
            f"Fix: kubectl delete lease {name}",
            file=sys.stderr,
        )


async def _delete(name: str) -> None:
    clock = SystemClock()
    async with KubeClient.connect(
        KubeSettings(), environ=os.environ, clock=clock
    ) as client:
        namespace = client.namespace
        right = Right(verb="delete", namespace=namespace, name=name)
        path = leases_path(namespace, name)
        await client.request("DELETE", path, right=right, timeout=_TIMEOUT)
