"""
The labels and annotations that others may read, in one place.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from k8s_leader.leases.kubernetes import PREFIX

__all__ = [
    "CANDIDATE",
    "CANDIDATES",
    "DELETION_COST",
    "ENTRYPOINT",
    "HISTORY",
    "LAST_CHANGE",
    "LEADER_OF",
    "LEASE",
    "NODE",
    "POD",
    "REMAKE",
    "ROLE",
    "VERSION",
    "Role",
    "label_value",
]

ROLE = PREFIX + "role"
"""Label of a Pod: ``leader`` while its workload runs, else ``standby``."""

LEASE = PREFIX + "lease"
"""Label of a Pod: the lease that its candidate competes for; see `label_value`."""

CANDIDATE = PREFIX + "candidate"
"""Annotation of a Pod: JSON with identity, lease and version of its candidate."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""Annotation of the leader's Pod: a ReplicaSet takes others first."""

POD = PREFIX + "pod"
"""Annotation of a Lease: ``namespace/name`` of the Pod of ``k8s-leader.io/holder``."""

ENTRYPOINT = PREFIX + "entrypoint"
"""
Annotation of a Lease: the holder's identity again, if the guard of an entrypoint wrote
it into its container's termination log (rule S18).
"""

NODE = PREFIX + "node"
"""Annotation of a Lease: the node of that Pod."""

VERSION = PREFIX + "version"
"""Annotation of a Lease: the version of k8s-leader that wrote it last."""

CANDIDATES = PREFIX + "candidates"
"""Annotation of a Lease: how many Pods compete for it; written by the operator."""

LEADER_OF = PREFIX + "leader-of"
"""Annotation of a Service without selector: the Lease whose leader it leads to."""

REMAKE = PREFIX + "remake"
"""Annotation of a Lease: ``true`` asks for it to be made again when it is deleted."""

LAST_CHANGE = PREFIX + "last-change"
"""Annotation of a Lease: one sentence about the last change of hands."""

HISTORY = PREFIX + "history"
"""Annotation of a Lease: JSON list of the last changes, oldest first."""

_LONGEST = 63
_DIGITS = 8


class Role(StrEnum):
    """
    The values of `ROLE`.
    """

    LEADER = "leader"
    STANDBY = "standby"


def label_value(lease: str) -> str:
    """
    Return a lease's name as a label's value: itself, or cut with a hash at its end.

    Args:
        lease: a name that Kubernetes accepts for a Lease (up to 253 characters).
    """
    if len(lease) <= _LONGEST:
        return lease
    digest = hashlib.sha256(lease.encode()).hexdigest()[:_DIGITS]
    return f"{lease[: _LONGEST - _DIGITS - 1]}-{digest}"
