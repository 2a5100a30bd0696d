"""
What operators do to a release, and what networks do to it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.cluster.kind.cluster import SHARED, KindCluster
from tests.cluster.kind.shell import CommandError, run
from tests.e2e.release import Release, eventually
from tests.e2e.terms import Measured, gaps
from tests.helpers.helm import HelmError


@pytest.mark.alone
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
    # Both replicas may have been on that node: then the leadership moved twice.
    longest = max(gaps(release.terms()))
    assert longest < 3
    measured("node drained: workload's end to the next one's start", longest)


@pytest.mark.alone
def test_replicas_stand_on_different_nodes_that_have_no_zone(
    release: Release, cluster: KindCluster
) -> None:
    eventually(lambda: not taints(cluster), what="nodes that are lost to nobody")
    release.install()
    names = [pod["metadata"]["name"] for pod in release.pods()]
    nodes = {where(release, name)["spec"]["nodeName"] for name in names}
    assert len(nodes) == len(names) == 2


def taints(cluster: KindCluster) -> list[str]:
    """
    Return what keeps Pods away from nodes, but from those of the control plane.
    """
    nodes = cluster.get("nodes")["items"]
    keys = [one["key"] for node in nodes for one in node["spec"].get("taints", [])]
    return [key for key in keys if not key.endswith("control-plane")]


def test_evictions_take_one_pod_at_a_time(release: Release) -> None:
    release.install()
    before = release.await_leader()
    names = {pod["metadata"]["name"] for pod in release.pods()}
    (standby,) = names - {before.pod}
    eventually(lambda: spare_pods(release) == 1, what="a budget that allows one")
    evict(release, before.pod)
    with pytest.raises(CommandError, match="disruption budget"):
        evict(release, standby)
    assert release.await_leader(after=before).pod == standby


def spare_pods(release: Release) -> int:
    """
    Return how many Pods the disruption budget allows to evict now.
    """
    words = ("poddisruptionbudget", release.lease, "--namespace", release.namespace)
    status = release.cluster.get(*words).get("status", {})
    return int(status.get("disruptionsAllowed", 0))


def evict(release: Release, pod: str) -> None:
    """
    Ask for it as a drain does.
    """
    meta = {"name": pod, "namespace": release.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    path = f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction"
    words = ("create", f"--raw={path}", "--filename=-")
    release.cluster.kubectl(*words, stdin=json.dumps(body))


def test_without_its_rights_a_candidate_ends_and_says_what_to_add(
    release: Release,
) -> None:
    release.install({"rbac": {"create": False}}, "--wait=hookOnly")

    def ends() -> list[dict[str, Any]]:
        states = [
            one["lastState"] | one["state"]
            for pod in release.pods()
            for one in pod["status"].get("containerStatuses", [])
        ]
        return [state["terminated"] for state in states if "terminated" in state]

    end = eventually(ends, what="a candidate that gave up")[0]
    assert end["exitCode"] == 77
    logs = ("logs", f"--selector={SELECTOR}", "--tail=-1")
    advice = "Add this rule to the Role"
    eventually(lambda: advice in release.kubectl(*logs), what="what to add")
    assert not release.terms()


def test_a_leader_cut_off_from_the_api_server_stops_before_the_next_one_runs(
    release: Release, cluster: KindCluster, measured: Measured
) -> None:
    release.install()
    before = release.await_leader()
    pod = where(release, before.pod)
    node, address = pod["spec"]["nodeName"], pod["status"]["podIP"]
    # Not a NetworkPolicy: it would spare the connection that the leader has.
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
    service = {"service": {"leader": {"mode": "label", "ports": ports}}}
    # Enforced where the cluster's network knows policies: docs/e2e.md.
    release.install({**service, "networkPolicy": {"enabled": True}})
    before = release.await_leader()
    eventually(lambda: served(release) == [before.pod], what="the leader behind it")
    release.kubectl("delete", "pod", before.pod, "--wait=false")
    after = release.await_leader(after=before)
    eventually(lambda: served(release) == [after.pod], what="the next one behind it")


def test_a_rollback_moves_the_leadership_once(
    release: Release, measured: Measured
) -> None:
    release.install()
    first = {pod["metadata"]["name"] for pod in release.pods()}
    release.upgrade({"image": {"repository": "k8s-leader-test/second"}})
    # Helm may be done while the old leader is only marked for deletion.
    eventually(lambda: release.await_leader().pod not in first, what="the new version")
    before = release.await_leader()
    release.await_cost(before.pod)
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


@pytest.mark.parametrize("what", ["name", "namespace"])
def test_another_lease_is_refused_until_it_is_acknowledged(
    release: Release, cluster: KindCluster, what: str
) -> None:
    release.install()
    before = release.await_leader()
    another = release.another_namespace() if what == "namespace" else "another"
    with pytest.raises(HelmError, match=r"lease\.changeFrom="):
        release.upgrade({"lease": {what: another}})
    old = f"{release.namespace}/{release.lease}"
    release.upgrade({"lease": {what: another, "changeFrom": old}})
    after = release.await_leader(after=before)
    assert after.pod != before.pod
    namespace = another if what == "namespace" else release.namespace
    name = another if what == "name" else release.lease
    found = cluster.get("lease", name, "--namespace", namespace)["spec"]
    assert found["holderIdentity"].startswith(after.pod)


def test_an_ungated_deployment_is_adopted_without_running_beside_the_leader(
    release: Release, cluster: KindCluster
) -> None:
    release.kubectl("create", "namespace", release.namespace)
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps(release.ungated()))
    before = release.await_leader()
    take = ("--take-ownership", "--force-conflicts")
    with pytest.raises(HelmError, match=r"lease\.changeFrom=ungated"):
        release.install({}, *take)
    values = {"lease": {"changeFrom": "ungated"}}
    with pytest.raises(HelmError, match=r"--set replicas=1"):
        release.install(values, *take)
    release.install({**values, "replicas": 1}, *take)
    after = release.await_leader(after=before)
    assert after.pod != before.pod
    # What was applied with equal values belongs to kubectl, too, until it is forced.
    release.upgrade({"lease": {"changeFrom": ""}, "replicas": 2}, "--force-conflicts")
    assert release.await_leader().token >= after.token


def test_a_token_that_is_replaced_disturbs_nobody(
    release: Release, cluster: KindCluster
) -> None:
    # The kubelet's own rotation takes eight minutes at the least. This one is harsher:
    # the old token is not only followed by another, it is refused from then on.
    release.kubectl("create", "namespace", release.namespace)
    account = Account(release)
    first = account.rotate("first")
    assert account.works(first)
    release.install(account.values())
    before = release.await_leader()
    second = account.rotate("second")
    release.kubectl("delete", "secret", "first")
    eventually(lambda: not account.works(first), what="the first token refused")
    assert account.works(second)
    renewed = release.record()["renewTime"]
    eventually(lambda: release.record()["renewTime"] > renewed, what="a renewal")
    assert release.await_leader().first == before.first
    # The standby has long held a watch that the first token opened.
    release.kubectl("delete", "pod", before.pod, "--wait=false")
    assert release.await_leader(after=before).pod != before.pod


class Account:
    """
    The release's account by hand: its token is bound to a Secret and dies with it.
    """

    def __init__(self, release: Release) -> None:
        self._release = release
        self._folder = release.folder / "account"
        self._folder.mkdir()
        self._folder.chmod(0o755)
        release.kubectl("create", "serviceaccount", "rotated")
        config = release.cluster.get("configmap", "kube-root-ca.crt")
        (self._folder / "ca.crt").write_text(config["data"]["ca.crt"])
        (self._folder / "namespace").write_text(release.namespace)

    def rotate(self, name: str) -> str:
        """
        Replace the token by one that lives as long as a Secret of this name.
        """
        self._release.kubectl("create", "secret", "generic", name)
        bound = ("--bound-object-kind=Secret", f"--bound-object-name={name}")
        token = self._release.kubectl("create", "token", "rotated", *bound).strip()
        new = self._folder / "token.new"
        new.write_text(token)
        new.rename(self._folder / "token")
        return token

    def works(self, token: str) -> bool:
        """
        Tell whether the API server knows the token.
        """
        cluster = self._release.cluster
        # Without the administrator's certificate, which would be asked first.
        where = "--output=jsonpath={.clusters[0].cluster.server}"
        server = cluster.kubectl("config", "view", where)
        only = ("--kubeconfig=/dev/null", f"--server={server}", f"--token={token}")
        known = f"--certificate-authority={self._folder}/ca.crt"
        said = cluster.kubectl(*only, known, "auth", "whoami", check=False)
        return ":rotated" in said

    def values(self) -> dict[str, Any]:
        """
        Return what makes candidates use it.
        """
        path = {"path": f"{SHARED}/{self._release.namespace}/account"}
        where = "/var/run/secrets/kubernetes.io/serviceaccount"
        return {
            "serviceAccount": {"create": False, "name": "rotated"},
            **self._release.with_volume("account", path, where),
        }


def test_hooks_standby_command_and_health_do_their_work(release: Release) -> None:
    def writers(what: str) -> set[str]:
        files = (release.folder / what).iterdir()
        return {path.name.rsplit(".", 2)[0] for path in files}

    ill = release.folder / "ill"
    ill_file = f"{SHARED}/{release.namespace}/{ill.name}"
    well = ["/usr/bin/test", "!", "-e", ill_file]
    hooks = {
        "onStartedLeading": release.beside("started", "-lasts", "1ms"),
        "onStoppedLeading": release.beside("stopped", "-lasts", "1ms"),
    }
    health = {"exec": well, "every": "200ms", "failures": 2, "unhealthyBackoff": "1s"}
    standby = release.beside("standby")
    release.install({"standbyCommand": standby, "hooks": hooks, "health": health})
    before = release.await_leader()
    other = next(
        name
        for name in (pod["metadata"]["name"] for pod in release.pods())
        if name != before.pod
    )
    eventually(lambda: other in writers("standby"), what="a standby's command")
    eventually(lambda: writers("started") == {before.pod}, what="the leader's hook")
    ill.touch()
    eventually(lambda: before.pod in writers("stopped"), what="a leader that gave up")
    ill.unlink()
    release.await_leader(after=before)


def test_a_leader_is_moved_and_shown_from_outside(
    release: Release, cluster: KindCluster
) -> None:
    release.install()
    before = release.await_leader()
    target = next(
        name
        for name in (pod["metadata"]["name"] for pod in release.pods())
        if name != before.pod
    )
    lease = f"{release.namespace}/{release.lease}"

    def ran(*words: str) -> str:
        flags = ("--kubeconfig", cluster.kubeconfig)
        return run(sys.executable, "-m", "k8s_leader", *words, lease, *flags)

    ran("switchover", "--to", target, "--wait", "--yes")
    after = release.await_leader(after=before)
    assert after.pod == target
    shown = json.loads(ran("status", "--output=json"))
    assert json.dumps(shown).count(target) >= 1
    assert "switchover" in ran("history")
    assert lease.split("/")[1] in ran("doctor")


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
