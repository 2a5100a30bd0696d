"""
Which Pods lose the leader's marks, and which never do.
"""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from k8s_leader.errors import LeaseConflictError
from k8s_leader.kube.pods import PodApi, PodRef
from k8s_leader.leases.kubernetes import LeaseApi
from k8s_leader.operator.janitor import Janitor
from k8s_leader.operator.view import ClusterView
from tests.unit.operator.objects import HOLDER, RUNNING, lease, pod

ROLE, COST = "k8s-leader.io/role", "controller.kubernetes.io/pod-deletion-cost"
KEY = ("shop", "web-0")


class Cluster:
    """
    The API as the janitor uses it; ``truth`` is the Lease that a read returns.
    """

    def __init__(self, truth: dict[str, Any] | None) -> None:
        self.truth = truth
        self.marked: list[dict[str, Any]] = []
        self.error: Exception | None = None

    async def get(
        self, namespace: str, name: str, *, timeout: float
    ) -> dict[str, Any] | None:
        return self.truth

    async def mark(self, ref: PodRef, **how: Any) -> dict[str, Any]:
        if self.error:
            raise self.error
        self.marked.append({"pod": ref, **how})
        return {}


def claiming(
    identity: str = HOLDER, *, role: str = "leader", cost: str | None = "1000"
) -> dict[str, Any]:
    made = pod(RUNNING)
    facts = {"identity": identity, "lease": "shop/reports", "deletion_cost": 1000}
    made["metadata"] |= {
        "resourceVersion": "7",
        "labels": {ROLE: role},
        "annotations": {"k8s-leader.io/candidate": json.dumps(facts)},
    }
    if cost is not None:
        made["metadata"]["annotations"][COST] = cost
    return made


def janitor(cluster: Cluster, claims: dict[str, Any]) -> Janitor:
    view = ClusterView()
    view.pods[KEY] = claims
    view.leases["shop", "reports"] = lease()
    return Janitor(cast("PodApi", cluster), cast("LeaseApi", cluster), view=view)


async def test_a_leader_of_yesterday_becomes_a_standby() -> None:
    cluster = Cluster(lease())
    await janitor(cluster, claiming("web-0_before")).lease_changed(lease())
    (mark,) = cluster.marked
    assert mark["pod"] == PodRef(namespace="shop", name="web-0", uid="pod-uid")
    assert mark["labels"] == {ROLE: "standby"}
    assert mark["annotations"] == {COST: None}
    assert mark["version"] == "7"


async def test_a_deletion_cost_of_others_stays() -> None:
    cluster = Cluster(lease())
    await janitor(cluster, claiming("web-0_before", cost="5")).pod_changed(KEY)
    assert cluster.marked[0]["annotations"] == {}


async def test_the_holder_keeps_its_label() -> None:
    cluster = Cluster(lease())
    await janitor(cluster, claiming()).pod_changed(KEY)
    assert cluster.marked == []


async def test_a_leader_that_the_watch_does_not_know_yet_keeps_its_label() -> None:
    newer = lease()
    newer["spec"]["holderIdentity"] = "web-0_new"
    cluster = Cluster(newer)
    await janitor(cluster, claiming("web-0_new")).pod_changed(KEY)
    assert cluster.marked == []


@pytest.mark.parametrize(
    "claims", [pod(RUNNING), claiming("web-0_before", role="standby")]
)
async def test_other_pods_are_left_alone(claims: dict[str, Any]) -> None:
    cluster = Cluster(lease())
    await janitor(cluster, claims).pod_changed(KEY)
    assert cluster.marked == []


async def test_a_lease_that_is_gone_says_nothing() -> None:
    cluster = Cluster(None)
    await janitor(cluster, claiming("web-0_before")).pod_changed(KEY)
    assert cluster.marked == []


async def test_what_the_pod_wrote_meanwhile_wins(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = Cluster(lease())
    cluster.error = LeaseConflictError("409")
    await janitor(cluster, claiming("web-0_before")).pod_changed(KEY)
    assert not caplog.records
