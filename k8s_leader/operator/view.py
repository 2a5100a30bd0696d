"""
The operator's view of the cluster: managed Leases and the Pods of candidates.

Kept by watches, so always a little late. What is decided on it is written by
compare-and-swap only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8s_leader.observers.cluster.names import POD

__all__ = ["ClusterView", "Key", "key_of"]

Key = tuple[str, str]
"""Namespace and name."""

Body = Mapping[str, Any]


class ClusterView:
    """
    What was seen last of each Lease and each Pod.
    """

    def __init__(self) -> None:
        self.leases: dict[Key, Body] = {}
        self.pods: dict[Key, Body] = {}

    def holder_pod(self, lease: Body) -> Body | None:
        """
        Return the Pod that a Lease names as its holder's, if it is known.
        """
        namespace, _, name = str(_annotations(lease).get(POD, "")).partition("/")
        return self.pods.get((namespace, name))

    def leases_of(self, pod: Key) -> Iterator[Body]:
        """
        Yield the Leases that name a Pod as their holder's.
        """
        named = "/".join(pod)
        for lease in list(self.leases.values()):
            if _annotations(lease).get(POD) == named:
                yield lease


def key_of(body: Body) -> Key:
    """
    Return namespace and name of an object that the API server returned.
    """
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _annotations(body: Body) -> Mapping[str, Any]:
    return body["metadata"].get("annotations") or {}
