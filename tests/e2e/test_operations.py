"""
What operators do to a release, and what networks do to it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cluster.kind.cluster import KindCluster
from tests.e2e.release import Release, eventually
from tests.helpers.helm import HelmError

Measured = Callable[[str, float], None]
LEASE = 8.0  # the fast profile's


def test_a_drained_node_hands_over_at_once(
    release: Release, cluster: KindCluster, measured: Measured
) -> None:
    release.install()
    before = release.await_leader()
    node = where(release, before.pod)["spec"]["nodeName"]
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s")
    try:
        cluster.kubectl("drain", node, f"--pod-selector={SELECTOR}", *flags)
        after = release.await_leader(after=before)
    finally:
        cluster.kubectl("uncordon", node)
    assert after.pod != before.pod
    gap = after.first - release.terms()[0].last
    assert gap < 3
    measured("node drained: workload's end to the next one's start", gap)


def test_a_leader_cut_off_from_the_api_server_stops_before_the_next_one_runs(
    release: Release, cluster: KindCluster, measured: Measured
) -> None:
    release.install()
    before = release.await_leader()
    pod = where(release, before.pod)
    node, address = pod["spec"]["nodeName"], pod["status"]["podIP"]
    rule = ("FORWARD", "-s", address, "-p", "tcp", "--dport", "6443", "-j", "DROP")
    cluster.on_node(node, "iptables", "-w", "-I", *rule)
    try:
        after = release.await_leader(after=before)
    finally:
        cluster.on_node(node, "iptables", "-w", "-D", *rule)
    assert after.pod != before.pod
    idle = after.first - release.terms()[0].last
    assert idle > 0
    measured("leader cut off: its workload's end to the next one's start", idle)
    assert release.await_leader().first == after.first


def test_the_chart_s_own_test_finds_the_leader(release: Release) -> None:
    release.install()
    release.await_leader()
    release.helm("test")


def test_the_leader_s_service_points_at_the_leader_alone(release: Release) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    release.install({"service": {"leader": {"mode": "label", "ports": ports}}})
    before = release.await_leader()
    eventually(lambda: served(release) == [before.pod], what="the leader behind it")
    release.kubectl("delete", "pod", before.pod, "--wait=false")
    after = release.await_leader(after=before)
    eventually(lambda: served(release) == [after.pod], what="the next one behind it")


def test_a_rollback_moves_the_leadership_once(
    release: Release, measured: Measured
) -> None:
    release.install()
    release.upgrade({"image": {"repository": "k8s-leader-test/second"}})
    before = release.await_leader()
    moved = len(release.terms())
    old = {pod["metadata"]["name"] for pod in release.pods()}
    release.helm("rollback", "1", "--wait", "--timeout", "120s")
    eventually(lambda: release.await_leader().pod not in old, what="the old version")
    terms = release.terms()
    assert len(terms) == moved + 1
    gap = terms[-1].first - terms[-2].last
    assert gap < 3
    assert terms[-2].first == before.first
    measured("rolled back: without a workload", gap)


def test_another_lease_is_refused_until_it_is_acknowledged(release: Release) -> None:
    release.install()
    before = release.await_leader()
    with pytest.raises(HelmError, match=r"lease\.changeFrom="):
        release.upgrade({"lease": {"name": "another"}})
    old = f"{release.namespace}/{release.lease}"
    release.upgrade({"lease": {"name": "another", "changeFrom": old}})
    after = release.await_leader(after=before)
    assert after.pod != before.pod


SELECTOR = "app.kubernetes.io/name=k8s-leader"


def where(release: Release, pod: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = release.cluster.get(
        "pod", pod, "--namespace", release.namespace
    )
    return found


def served(release: Release) -> list[str]:
    """
    Return the Pods that are ready behind the leader's Service.
    """
    label = f"--selector=kubernetes.io/service-name={release.lease}-leader"
    words = ("endpointslices", label, "--namespace", release.namespace)
    return [
        endpoint["targetRef"]["name"]
        for piece in release.cluster.get(*words)["items"]
        for endpoint in piece.get("endpoints") or []
        if endpoint["conditions"].get("ready")
    ]
