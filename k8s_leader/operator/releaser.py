"""
Releases the Leases of leaders that are proved dead, so that a standby need not wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from k8s_leader.clock import Clock
from k8s_leader.election.record import release
from k8s_leader.errors import LeaseConflictError, LeaseError, LeaseUnavailableError
from k8s_leader.leases.kubernetes import KubernetesStore, LeaseApi, parse
from k8s_leader.observers.cluster.complaint import Complaint
from k8s_leader.observers.cluster.notes import LeaseNotes
from k8s_leader.operator.duty import Duty
from k8s_leader.operator.proof import Proof, Refusal, proof
from k8s_leader.operator.view import ClusterView, Key, key_of
from k8s_leader.release import installed_version

__all__ = ["Releaser"]

_logger = logging.getLogger(__name__)

_TIMEOUT = 3.0
_PAUSES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each attempt: a lease that cannot be written by then expires soon."""


class Releaser(Duty):
    """
    Compares each Lease with the Pod of its holder, whenever one of them changes.

    Args:
        api: reads and replaces Leases.
        view: Leases and Pods, brought up to date by the caller before each call.
        clock: of the wall, for the record.
    """

    def __init__(self, api: LeaseApi, *, view: ClusterView, clock: Clock) -> None:
        self._api = api
        self._view = view
        self._clock = clock
        self._complaint = Complaint(
            "releasing the lease of a dead leader", switch="nothing: end the operator"
        )

    async def pod_changed(self, pod: Key) -> None:
        """
        Release what the Pod held, if it is proved dead.
        """
        for lease in self._view.leases_of(pod):
            await self.lease_changed(lease)

    async def lease_changed(self, lease: Mapping[str, Any]) -> bool:
        """
        Release the Lease if its holder is proved dead; return whether it was.

        Only the state that was judged is ever overwritten: when somebody wrote
        since, the Lease is read and judged again.
        """
        verdict = self._judge(lease)
        for pause in _PAUSES:
            if isinstance(verdict, Refusal):
                _logger.debug("%s/%s: %s", *key_of(lease), verdict.reason)
                return False
            await asyncio.sleep(pause)
            store = self._store(lease, verdict)
            try:
                over = parse(lease)
                await store.replace(over, release(over.record, wall=self._clock.wall()))
            except (LeaseConflictError, LeaseUnavailableError) as error:
                if not isinstance(error, LeaseConflictError):
                    self._complaint.failed(error)
                lease, verdict = await self._again(lease, verdict)
            except LeaseError as error:
                self._complaint.failed(error)
                return False
            else:
                self._complaint.worked()
                _logger.info("released %s/%s: %s", *key_of(lease), _told(verdict))
                return True
        return False

    def _judge(self, lease: Mapping[str, Any]) -> Proof | Refusal:
        pod = self._view.holder_pod(lease)
        if pod is None:
            return Refusal("the Pod of its holder is not known")
        return proof(pod, lease)

    async def _again(
        self, lease: Mapping[str, Any], verdict: Proof
    ) -> tuple[Mapping[str, Any], Proof | Refusal]:
        """
        Read and judge the Lease again; where it cannot be read, nothing has changed.
        """
        try:
            found = await self._api.get(*key_of(lease), timeout=_TIMEOUT)
        except LeaseError:
            return lease, verdict
        if found is None:
            return lease, Refusal("the Lease was deleted")
        return found, self._judge(found)

    def _store(self, lease: Mapping[str, Any], verdict: Proof) -> KubernetesStore:
        namespace, name = key_of(lease)
        return KubernetesStore(
            self._api,
            namespace=namespace,
            name=name,
            timeout=_TIMEOUT,
            annotate=LeaseNotes(
                version=installed_version() or "unknown", reason=_told(verdict)
            ),
        )


def _told(verdict: Proof) -> str:
    return f"container {verdict.container} of {verdict.pod} ended: {verdict.reason}"
