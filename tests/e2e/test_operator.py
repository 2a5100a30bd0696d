"""
The operator and a kubelet: a leader whose container dies is followed at once.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from tests.cluster.kind.cluster import KindCluster
from tests.e2e.images import Images
from tests.e2e.release import Release, eventually
from tests.e2e.test_leadership import kill_container
from tests.helpers.helm import OPERATOR_CHART, Helm

Measured = Callable[[str, float], None]
ROUNDS = 10


def test_a_killed_leader_is_followed_as_soon_as_the_kubelet_reports_it(
    release: Release,
    cluster: KindCluster,
    helm: Helm,
    images: Images,
    measured: Measured,
) -> None:
    release.install()
    install_operator(release, helm, images)
    gaps = [round_trip(release) for _ in range(ROUNDS)]
    # The lease is 8 s: without the operator each of these takes 7 s and more.
    assert max(gaps) < 4, gaps
    measured(f"operator, container SIGKILLed, p50 of {ROUNDS}", median(gaps))
    measured(f"operator, container SIGKILLed, max of {ROUNDS}", max(gaps))


def install_operator(release: Release, helm: Helm, images: Images) -> None:
    """
    Install the operator's chart for the release's namespace alone.
    """
    repository, _, tag = images.first.rpartition(":")
    values = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "namespaces": [release.namespace],
        "log": {"level": "debug"},
    }
    words = ("operator", str(OPERATOR_CHART), "--namespace", release.namespace)
    helm.run("install", *words, "--wait", "--timeout=90s", values=values, timeout=120)
    known = f"{release.namespace}/{release.lease}: 0 containers terminated"
    eventually(lambda: known in logs(release), what="the operator to watch")


def logs(release: Release) -> str:
    selector = "app.kubernetes.io/name=k8s-leader-operator"
    return release.kubectl("logs", "--selector", selector, "--tail=-1")


def round_trip(release: Release) -> float:
    """
    Kill the leader's container; return the time from its last beat to the next one.
    """
    before = release.await_leader()
    kill_container(release, before.pod)
    after = release.await_leader(after=before)
    last = next(t.last for t in release.terms() if t.token == before.token)
    # Its next start would wait longer each time (CrashLoopBackOff): a fresh Pod.
    release.kubectl("delete", "pod", before.pod, "--wait=false")
    eventually(lambda: ready(release, without=before.pod) == 2, what="a standby")
    return after.first - last


def ready(release: Release, *, without: str) -> int:
    return sum(
        condition["status"] == "True"
        for pod in release.pods()
        if pod["metadata"]["name"] != without
        for condition in pod["status"].get("conditions", [])
        if condition["type"] == "Ready"
    )
