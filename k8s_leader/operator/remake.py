"""
Makes a deleted Lease again, if somebody asked for that on the Lease itself.

What is made names no holder, and keeps what the annotations say of terms: the last
holder of ours, its marker if it had released, the count of terms and the fencing
token. So candidates wait out a leader that still works (rule S12), and the token goes
on growing (rule S17). Not guaranteed: a Lease deleted while no operator ran stays away
until a candidate makes it.
"""

from __future__ import annotations

import logging
from typing import Any

from k8s_leader.errors import LeaseConflictError, LeaseError, LeaseNotFoundError
from k8s_leader.leases.kubernetes import LeaseApi, parse
from k8s_leader.observers.cluster.complaint import Complaint
from k8s_leader.observers.cluster.names import ENTRYPOINT, NODE, POD, REMAKE
from k8s_leader.operator.duty import Duty
from k8s_leader.operator.view import Body, annotations_of, key_of

__all__ = ["Remaker", "made_again"]

_logger = logging.getLogger(__name__)

_TIMEOUT = 3.0


class Remaker(Duty):
    """
    Makes Leases again.

    Args:
        leases: creates Leases.
    """

    def __init__(self, leases: LeaseApi) -> None:
        self._leases = leases
        self._complaint = Complaint(
            "making a deleted Lease again", switch="--no-remake"
        )

    async def lease_deleted(self, lease: Body) -> None:
        """
        Make it again, if its annotation asks for that.
        """
        if annotations_of(lease).get(REMAKE) != "true":
            return
        namespace, name = key_of(lease)
        try:
            await self._leases.create(namespace, made_again(lease), timeout=_TIMEOUT)
        except LeaseConflictError:
            _logger.info("%s/%s was deleted and is there again", namespace, name)
        except LeaseNotFoundError:
            return  # its namespace is gone
        except LeaseError as error:
            self._complaint.failed(error)
        else:
            self._complaint.worked()
            _logger.warning("%s/%s was deleted: it is made again", namespace, name)


def made_again(lease: Body) -> dict[str, Any]:
    """
    Return the Lease to create in place of one that was deleted.
    """
    record, metadata = parse(lease).record, lease["metadata"]
    gone = {POD, NODE, ENTRYPOINT}
    notes = {n: t for n, t in annotations_of(lease).items() if n not in gone}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "annotations": notes,
        },
        # No acquireTime: nobody acquired this one.
        "spec": {"holderIdentity": "", "leaseTransitions": record.transitions},
    }
