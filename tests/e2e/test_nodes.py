"""
Nodes that freeze, and nodes that are lost.
"""

from __future__ import annotations

import pytest

from tests.cluster.kind.cluster import KindCluster
from tests.e2e.release import Release, eventually
from tests.e2e.terms import LEASE, Measured, Term, boottime, read_terms

pytestmark = pytest.mark.alone

# One candidate a node, whatever the scheduler prefers.
APART = {
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "k8s-leader"}},
        }
    ]
}


def test_a_lost_node_is_followed_by_the_other(
    release: Release, cluster: KindCluster, measured: Measured
) -> None:
    release.install(APART)
    before = release.await_leader()
    node = node_of(release, before.pod)
    release.await_renewal()
    cluster.engine.docker("kill", node)
    try:
        after = release.await_leader(after=before)
        first = release.terms()[0]
    finally:
        cluster.start_node(node)
    assert after.pod != before.pod
    assert LEASE * 0.7 < after.first - first.last < LEASE + 6
    measured("node lost: last beat to the next one's first", after.first - first.last)


def test_a_frozen_node_loses_the_leadership_and_its_workload(
    release: Release, cluster: KindCluster, measured: Measured
) -> None:
    release.install(APART)
    before = release.await_leader()
    node = node_of(release, before.pod)
    cluster.engine.docker("pause", node)
    frozen = boottime()
    try:
        after = release.await_leader(after=before)
        measured("node frozen: to the next workload", after.first - frozen)
    finally:
        thawed = boottime()
        cluster.engine.docker("unpause", node)
    assert after.pod != before.pod
    cluster.kubectl("wait", "--for=condition=Ready", f"node/{node}", "--timeout=60s")
    eventually(lambda: len(release.pods()) == 2, what="two candidates")
    # A frozen guard cannot act: what wakes up beside its workload must end it at once,
    # and must not lead again. Until then only the fencing token tells them apart.
    woken = run_of(release, before)
    if woken.last > thawed:
        measured("node thawed: to the old workload's last beat", woken.last - thawed)
    assert woken.last - thawed < 2
    eventually(lambda: run_of(release, after).last > boottime() - 1, what="a beat")


def node_of(release: Release, pod: str) -> str:
    found = release.cluster.get("pod", pod, "--namespace", release.namespace)
    return str(found["spec"]["nodeName"])


def run_of(release: Release, term: Term) -> Term:
    terms = read_terms(release.folder)
    return next(one for one in terms if one.first == term.first)
