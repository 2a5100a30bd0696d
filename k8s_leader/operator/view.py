"""
The operator's view of the cluster: managed Leases and the Pods of candidates.

Kept by watches, so always a little late. What is decided on it is written by
compare-and-swap only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from k8s_leader.observers.cluster.candidates import competes_for
from k8s_leader.observers.cluster.names import CANDIDATE, POD

__all__ = ["Body", "ClusterView", "Key", "annotations_of", "key_of", "says_of_itself"]

Key = tuple[str, str]
"""Namespace and name."""

Body = Mapping[str, Any]


class ClusterView:
    """
    What was seen last of each Lease, each candidate's Pod and each leader's Service.
    """

    def __init__(self) -> None:
        self.leases: dict[Key, Body] = {}
        self.pods: dict[Key, Body] = {}
        self.services: dict[Key, Body] = {}

    def holder_pod(self, lease: Body) -> Body | None:
        """
        Return the Pod that a Lease names as its holder's, if it is known.
        """
        namespace, _, name = str(annotations_of(lease).get(POD, "")).partition("/")
        return self.pods.get((namespace, name))

    def leases_of(self, pod: Key) -> Iterator[Body]:
        """
        Yield the Leases that name a Pod as their holder's.
        """
        named = "/".join(pod)
        for lease in list(self.leases.values()):
            if annotations_of(lease).get(POD) == named:
                yield lease

    def candidates(self) -> Counter[Key]:
        """
        Return how many Pods compete for each Lease.
        """
        found = (competes_for(pod) for pod in list(self.pods.values()))
        return Counter(lease for lease in found if lease is not None)


def key_of(body: Body) -> Key:
    """
    Return namespace and name of an object that the API server returned.
    """
    return body["metadata"]["namespace"], body["metadata"]["name"]


def annotations_of(body: Body) -> Mapping[str, Any]:
    """
    Return the annotations of an object that the API server returned.
    """
    return body["metadata"].get("annotations") or {}


def says_of_itself(pod: Body) -> Mapping[str, Any]:
    """
    Return what a candidate noted on its Pod; nothing where that is odd.
    """
    try:
        found = json.loads(annotations_of(pod).get(CANDIDATE, "{}"))
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
