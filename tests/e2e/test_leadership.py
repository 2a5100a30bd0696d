"""
Who runs, and when the next one does: the chart around an image built on ours.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cluster.kind.cluster import KindCluster
from tests.e2e.administrator import Administrator
from tests.e2e.release import Release, eventually
from tests.e2e.rollout import keep, runs_of, the_one_move
from tests.e2e.terms import LEASE, Measured, Term, boottime, gaps

# The chart as it was before anything of its values or objects changed.
FIRST_CHART = Path(__file__).parent / "k8s-leader-0.1.0-alpha.1.tgz"
# For moves that wait for no lease: a busy machine shall not add one of its own.
PATIENT = {"timing": {"profile": "default"}}


def stays(release: Release, *, seconds: float) -> None:
    """
    Assert that the workload that runs is the same one for a while.
    """
    before = release.await_leader()
    time.sleep(seconds)
    assert release.await_leader().first == before.first


def test_exactly_one_of_the_ready_replicas_runs(release: Release) -> None:
    release.install()
    pods = release.pods()
    assert len(pods) == 2
    for pod in pods:
        conditions = {c["type"]: c["status"] for c in pod["status"]["conditions"]}
        assert conditions["Ready"] == "True"
    stays(release, seconds=3)
    assert len(release.terms()) == 1


def test_a_deleted_leader_hands_over_at_once(
    release: Release, measured: Measured
) -> None:
    release.install()
    before = release.await_leader()
    release.kubectl("delete", "pod", before.pod, "--wait=false")
    after = release.await_leader(after=before)
    gap = after.first - release.terms()[0].last
    assert after.pod != before.pod
    assert after.token > before.token
    assert gap < 2
    measured("Pod deleted: workload's end to the next one's start", gap)


def test_a_killed_leader_is_followed_after_the_lease(
    release: Release, measured: Measured
) -> None:
    release.install()
    before = release.await_leader()
    kill_container(release, before.pod, renewed=True)
    after = release.await_leader(after=before)
    gap = after.first - release.terms()[0].last
    # The container's next start is a candidate too, and the record protects no grave:
    # nobody may run before the lease is over.
    assert LEASE * 0.7 < gap < LEASE + 6
    measured("container SIGKILLed: last beat to the next one's first", gap)


def test_a_lease_deleted_by_hand_stops_the_leader_at_once(
    release: Release, administrator: Administrator, measured: Measured
) -> None:
    release.install()
    before = release.await_leader()
    path = administrator.lease_path(release.namespace, release.lease)
    deleted = boottime()
    administrator.request("DELETE", path)
    eventually(lambda: release.running() is None, timeout=10, what="the kill")
    stopped = release.terms()[0].last
    assert stopped - deleted < 2
    measured("Lease deleted: to the workload's last beat", stopped - deleted)
    # The chart owns the Lease and nobody else may make one: it has to be put back.
    release.upgrade({})
    after = release.await_leader(after=before)
    assert after.token > before.token


def test_a_lease_blanked_by_hand_stops_the_leader_at_once(
    release: Release, administrator: Administrator, measured: Measured
) -> None:
    release.install()
    before = release.await_leader()
    path = administrator.lease_path(release.namespace, release.lease)
    patch = {"spec": {"holderIdentity": None}}
    release.await_renewal()
    blanked = boottime()
    administrator.patch(path, patch)
    after = release.await_leader(after=before)
    stopped = release.terms()[0].last
    assert stopped - blanked < 2
    assert after.token > before.token
    # Who saw its own workload gone may go on; all others wait the lease out.
    assert after.pod == before.pod or after.first - stopped > LEASE * 0.7
    measured("Lease blanked: to the workload's last beat", stopped - blanked)
    measured("Lease blanked: to the next workload", after.first - blanked)


def test_a_rolling_update_never_runs_two_versions(
    release: Release, measured: Measured
) -> None:
    release.install({"standbyCommand": release.beside("standby"), **PATIENT})
    before = release.await_leader()
    release.await_cost(before.pod)
    old = {pod["metadata"]["name"] for pod in release.pods()}
    began = boottime()
    release.upgrade({"image": {"repository": "k8s-leader-test/second"}})
    gap = the_only_gap(release, before, old)
    measured("rolling update: without a workload, in its one move", gap)
    runs = runs_of(release, old=old, began=began)
    the_one_move(runs)
    keep(runs)


def test_an_upgrade_of_values_and_timings_moves_once(
    release: Release, measured: Measured
) -> None:
    release.install()
    before = release.await_leader()
    release.await_cost(before.pod)
    old = {pod["metadata"]["name"] for pod in release.pods()}
    timing = {"leaseDuration": "12s", "renewEvery": "2s"}
    release.upgrade({"timing": timing, "podAnnotations": {"example.com/new": "yes"}})
    gap = the_only_gap(release, before, old)
    measured("timings changed: without a workload, in its one move", gap)
    eventually(
        lambda: release.record()["leaseDurationSeconds"] == 12, what="the new duration"
    )


def test_an_upgrade_from_the_first_chart_moves_once(
    release: Release, measured: Measured
) -> None:
    single = {"replicas": 1}
    release.install({**PATIENT, **single}, chart=FIRST_CHART)
    before = release.await_leader()
    old = {pod["metadata"]["name"] for pod in release.pods()}
    release.upgrade({"image": {"repository": "k8s-leader-test/second"}, **single})
    gap = the_only_gap(release, before, old)
    measured("upgrade from the first chart: without a workload, in its one move", gap)


def test_two_replicas_of_the_first_chart_move_once_or_twice(release: Release) -> None:
    """
    Its Role gave no right on Pods: Kubernetes cannot know which of the old ones leads.
    """
    release.install(PATIENT, chart=FIRST_CHART)
    before = release.await_leader()
    old = {pod["metadata"]["name"] for pod in release.pods()}
    release.upgrade({"image": {"repository": "k8s-leader-test/second"}})
    eventually(lambda: new_leader(release, old), what="a new version that runs")
    first, *between, _ = terms = release.terms()
    assert first.first == before.first
    assert len(between) <= 1
    assert {term.pod for term in between} <= old - {before.pod}
    assert max(gaps(terms)) < 3


@pytest.mark.parametrize(("few", "many"), [(1, 3), (3, 1)])
def test_scaling_there_and_back_disturbs_at_most_once(
    release: Release, few: int, many: int
) -> None:
    release.install({"replicas": few})
    release.await_leader()
    scale(release, many)
    scale(release, few)
    stays(release, seconds=1)
    assert len(release.terms()) <= 2


@pytest.mark.alone
def test_a_restarted_api_server_disturbs_nobody(
    release: Release, cluster: KindCluster
) -> None:
    # Its restart takes longer than the 5 s for which `fast` waits.
    release.install({"timing": {"profile": "tolerant"}})
    before = release.await_leader()
    cluster.on_node(cluster.control_plane, "pkill", "-KILL", "-x", "kube-apiserver")
    cluster.await_api()
    release.await_renewal()
    after = release.await_leader()
    assert after.first == before.first


def test_uninstalling_leaves_nothing(release: Release, cluster: KindCluster) -> None:
    release.install()
    release.await_leader()
    release.uninstall()
    kinds = "deployments,pods,leases,roles,rolebindings,poddisruptionbudgets,services"
    words = (
        "--namespace",
        release.namespace,
        f"{kinds},serviceaccounts,endpointslices",
    )

    def left() -> set[str]:
        return {item["metadata"]["name"] for item in cluster.get(*words)["items"]}

    eventually(lambda: left() == {"default"}, what="nothing but what was there before")


def scale(release: Release, replicas: int) -> None:
    release.kubectl("scale", "deployment", release.lease, f"--replicas={replicas}")
    release.kubectl("rollout", "status", f"deployment/{release.lease}")
    eventually(lambda: len(release.pods()) == replicas, what=f"{replicas} Pods")


def the_only_gap(release: Release, before: Term, old: set[str]) -> float:
    """
    Wait for a leader that is none of the `old`; return how long nobody worked.
    """
    eventually(lambda: new_leader(release, old), what="a new version that runs")
    terms = release.terms()
    assert [term.first for term in terms[:-1]] == [before.first]
    gap = terms[1].first - terms[0].last
    assert gap < 3
    return gap


def new_leader(release: Release, old: set[str]) -> bool:
    term = release.running()
    return term is not None and term.pod not in old


def kill_container(release: Release, pod: str, *, renewed: bool = False) -> None:
    """
    Kill the whole container, as the kernel does when memory runs out.

    Just after a renewal, if wanted: its lease has all of its time before it then.
    """
    found = release.cluster.get("pod", pod, "--namespace", release.namespace)
    node = found["spec"]["nodeName"]
    identity = found["status"]["containerStatuses"][0]["containerID"]
    word = identity.removeprefix("containerd://")
    command = ("ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", word)
    if renewed:
        release.await_renewal()
    release.cluster.on_node(node, *command)
