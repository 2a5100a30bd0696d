"""
The list of candidates of a lease, read from their Pods.

Advisory: for status and switch-over, never part of the safety argument. A Pod may
have died without a word, and a candidate outside a Pod (or without the right to patch
its Pod) is not in the list. It costs one LIST request by label each time it is asked
for, and needs ``list`` on ``pods``; nobody else needs that right.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from k8s_leader.election.priority import HIGHEST, NEVER
from k8s_leader.observers.cluster.names import CANDIDATE, LEASE, ROLE, Role, label_value
from k8s_leader.values import dataclass

__all__ = [
    "Candidate",
    "PodFinder",
    "candidates",
    "competes_for",
    "count_candidates",
]


class PodFinder(Protocol):
    """
    The part of the API client that this needs.
    """

    async def find(
        self, namespace: str, *, selector: str, timeout: float
    ) -> Sequence[Mapping[str, Any]]:
        """
        Return the Pods with these labels.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """
    One candidate, as its Pod shows it.

    Attributes:
        identity: as in the record; empty where the Pod does not say.
        namespace: of the Pod.
        pod: its name.
        uid: its uid.
        node: where it runs; empty while it is not scheduled.
        address: of the Pod; empty while it has none.
        role: what the label says; it may be out of date, the record decides.
        ready: whether its readiness probe passes.
        leaving: whether it is being deleted.
        version: of k8s-leader.
        priority: from 0 (never leads by itself) to 10.
    """

    identity: str
    namespace: str
    pod: str
    uid: str
    node: str
    address: str
    role: Role
    ready: bool
    leaving: bool
    version: str
    priority: int = HIGHEST


async def candidates(
    pods: PodFinder,
    *,
    namespace: str,
    lease: str,
    pod_namespace: str | None = None,
    timeout: float = 3.0,
) -> list[Candidate]:
    """
    Return the candidates of a lease, sorted by the names of their Pods.

    Args:
        pods: lists Pods.
        namespace: of the lease.
        lease: its name.
        pod_namespace: where their Pods are; ``None``: in the lease's namespace.
        timeout: seconds for the request.

    Raises:
        LeaseForbiddenError: ``list`` on ``pods`` is missing; carries the rule.
        LeaseError: the one that fits.
    """
    selector = f"{LEASE}={label_value(lease)}"
    where = pod_namespace or namespace
    found = await pods.find(where, selector=selector, timeout=timeout)
    read = (_candidate(pod, f"{namespace}/{lease}") for pod in found)
    return sorted((c for c in read if c is not None), key=lambda c: (c.pod, c.uid))


async def count_candidates(
    pods: PodFinder, *, namespace: str, timeout: float
) -> Counter[tuple[str, str]]:
    """
    Return how many Pods are candidates of each lease, by namespace and name.

    Args:
        pods: lists Pods.
        namespace: where their Pods are; empty: everywhere.
        timeout: seconds for the request.

    Raises:
        LeaseForbiddenError: ``list`` on ``pods`` is missing; carries the rule.
        LeaseError: the one that fits.
    """
    found = await pods.find(namespace, selector=LEASE, timeout=timeout)
    named = (competes_for(pod) for pod in found)
    return Counter(name for name in named if name is not None)


def competes_for(pod: Mapping[str, Any]) -> tuple[str, str] | None:
    """
    Return namespace and name of a Pod's lease; ``None`` if it ended, or is odd.
    """
    if _has_ended(pod):
        return None
    facts = _facts(_part(_part(pod, "metadata"), "annotations").get(CANDIDATE))
    namespace, slash, name = str(facts.get("lease", "")).partition("/")
    return (namespace, name) if slash else None


def _has_ended(pod: Mapping[str, Any]) -> bool:
    return _part(pod, "status").get("phase") in {"Succeeded", "Failed"}


def _candidate(pod: Mapping[str, Any], lease: str) -> Candidate | None:
    """
    Read a Pod; ``None`` if it ended, or its candidate is another lease's.
    """
    metadata, status = _part(pod, "metadata"), _part(pod, "status")
    facts = _facts(_part(metadata, "annotations").get(CANDIDATE))
    if _has_ended(pod) or facts.get("lease", lease) != lease:
        return None
    is_leader = _part(metadata, "labels").get(ROLE) == Role.LEADER
    return Candidate(
        identity=str(facts.get("identity", "")),
        namespace=str(metadata.get("namespace", "")),
        pod=str(metadata.get("name", "")),
        uid=str(metadata.get("uid", "")),
        node=str(_part(pod, "spec").get("nodeName") or ""),
        address=str(status.get("podIP") or ""),
        role=Role.LEADER if is_leader else Role.STANDBY,
        ready=_is_ready(status),
        leaving=bool(metadata.get("deletionTimestamp")),
        version=str(facts.get("version", "")),
        priority=_priority(facts.get("priority")),
    )


def _priority(value: object) -> int:
    return value if isinstance(value, int) and NEVER <= value <= HIGHEST else HIGHEST


def _facts(text: object) -> Mapping[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_ready(status: Mapping[str, Any]) -> bool:
    conditions = status.get("conditions")
    return any(
        isinstance(c, Mapping)
        and c.get("type") == "Ready"
        and c.get("status") == "True"
        for c in (conditions if isinstance(conditions, list) else ())
    )


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = whole.get(name)
    return found if isinstance(found, Mapping) else {}
