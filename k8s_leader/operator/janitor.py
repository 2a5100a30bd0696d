"""
Takes the leader's marks off Pods that lead no more and cannot say so themselves.

A leader that died or was cut off leaves its label behind, and a Service would go on
sending to it. Only a Pod that a quorum read of its Lease shows to be no holder loses
its marks: a candidate writes the Lease before the label, so a read that follows the
label knows a leader. What the Pod writes meanwhile wins.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from k8s_leader.errors import LeaseConflictError, LeaseError, LeaseNotFoundError
from k8s_leader.kube.pods import PodApi, PodRef
from k8s_leader.leases.kubernetes import LeaseApi, parse
from k8s_leader.observers.cluster.complaint import Complaint
from k8s_leader.observers.cluster.names import DELETION_COST, ROLE, Role
from k8s_leader.operator.duty import Duty
from k8s_leader.operator.view import Body, ClusterView, Key, key_of, says_of_itself

__all__ = ["Janitor"]

_logger = logging.getLogger(__name__)

_TIMEOUT = 3.0


class Janitor(Duty):
    """
    Compares the Pods that are labelled as leaders with the Leases they name.

    Args:
        pods: marks Pods.
        leases: reads Leases.
        view: Leases and Pods, brought up to date by the caller before each call.
    """

    def __init__(self, pods: PodApi, leases: LeaseApi, *, view: ClusterView) -> None:
        self._pods = pods
        self._leases = leases
        self._view = view
        self._complaint = Complaint(
            "taking the marks off a Pod that leads no more", switch="--no-janitor"
        )

    async def lease_changed(self, lease: Body) -> None:
        """
        Look at every Pod that claims to lead by this Lease.
        """
        for pod in list(self._view.pods.values()):
            if _claim(pod).get("lease") == "/".join(key_of(lease)):
                await self.pod_changed(key_of(pod))

    async def pod_changed(self, key: Key) -> None:
        """
        Make the Pod a standby if it is labelled as a leader and holds no Lease.
        """
        pod = self._view.pods[key]
        claim = _claim(pod)
        namespace, _, name = str(claim.get("lease", "")).partition("/")
        seen = self._view.leases.get((namespace, name))
        if seen is None or _holds(seen, claim):
            return
        try:
            found = await self._leases.get(namespace, name, timeout=_TIMEOUT)
            if found is not None and not _holds(found, claim):
                await self._clean(pod, claim)
        except (LeaseConflictError, LeaseNotFoundError):
            return  # it wrote in between, or is gone
        except LeaseError as error:
            self._complaint.failed(error)

    async def _clean(self, pod: Mapping[str, Any], claim: Mapping[str, Any]) -> None:
        metadata = pod["metadata"]
        cost = metadata["annotations"].get(DELETION_COST)
        is_ours = cost is not None and cost == str(claim.get("deletion_cost"))
        await self._pods.mark(
            PodRef(
                namespace=metadata["namespace"],
                name=metadata["name"],
                uid=metadata["uid"],
            ),
            labels={ROLE: Role.STANDBY.value},
            annotations={DELETION_COST: None} if is_ours else {},
            timeout=_TIMEOUT,
            version=metadata["resourceVersion"],
        )
        self._complaint.worked()
        _logger.info("%s/%s leads no more: its label is taken away", *key_of(pod))


def _claim(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return what a Pod that is labelled as a leader says of its candidate.
    """
    labels = pod["metadata"].get("labels") or {}
    return says_of_itself(pod) if labels.get(ROLE) == Role.LEADER else {}


def _holds(lease: Mapping[str, Any], claim: Mapping[str, Any]) -> bool:
    return parse(lease).record.holder == claim.get("identity")
