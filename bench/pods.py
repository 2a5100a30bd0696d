"""
An active/passive Deployment on a kind cluster, by our chart or by a client-go wrapper.

Both run the workload of the end-to-end tests, which writes a line every 20 ms into a
folder that outlives it: all that is measured is read from there.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.release import Release, eventually
from tests.e2e.terms import Term, boottime, read_terms
from tests.helpers.go_build import HELM_4, PEERS, WORKLOAD
from tests.helpers.helm import Helm

if TYPE_CHECKING:
    from tests.e2e.testbed import Testbed

__all__ = ["BUILDERS", "Pods"]

_REPLICAS = 2


class Pods:
    """
    One Deployment of two candidates, rolled out.

    Args:
        release: whose folder, namespace and cluster they use.
    """

    def __init__(self, release: Release) -> None:
        self._release = release
        self._name = f"deployment/{release.lease}"

    def take_leader_away(self) -> Mapping[str, float]:
        """
        Delete the leader's Pod.

        Returns:
            how long it took from there to the next workload, and how long none ran.
        """
        self._settle()
        before = self._await_run()
        asked = boottime()
        self._release.kubectl("delete", "pod", before.pod, "--wait=false")
        after = self._await_run(after=before)
        runs = self._since(before)
        return {"deleted": after.first - asked, "deleted_idle": _idle(runs)}

    def roll_out(self) -> Mapping[str, float]:
        """
        Replace all Pods as a new version does; return how long none worked.
        """
        self._settle()
        before = self._await_run()
        old = {pod["metadata"]["name"] for pod in self._release.pods()}
        self._release.kubectl("rollout", "restart", self._name)
        self._settle()
        eventually(lambda: self._is_new(old), what="a new version that works")
        runs = self._since(before)
        return {"rollout": _idle(runs), "moves": float(len(runs) - 1)}

    def _settle(self) -> None:
        self._release.kubectl("rollout", "status", self._name, "--timeout=120s")
        eventually(lambda: len(self._release.pods()) == _REPLICAS, what="two Pods")

    def _await_run(self, *, after: Term | None = None) -> Term:
        def found() -> Term | None:
            runs = read_terms(self._release.folder)
            alive = runs and boottime() - runs[-1].last < _ALIVE
            newer = alive and (after is None or runs[-1].first > after.last)
            return runs[-1] if newer else None

        term = eventually(found, timeout=_LONGEST, what="a workload that runs")
        assert term is not None
        return term

    def _since(self, before: Term) -> list[Term]:
        runs = read_terms(self._release.folder)
        return [run for run in runs if run.first >= before.first]

    def _is_new(self, old: set[str]) -> bool:
        return self._await_run().pod not in old


_ALIVE = 0.5
_LONGEST = 60.0


def _idle(runs: list[Term]) -> float:
    pairs = itertools.pairwise(runs)
    return sum(max(after.first - before.last, 0.0) for before, after in pairs)


def _ours(made: Testbed) -> Pods:
    release = _release(made, "ours", made.images.first)
    release.install({"timing": {"profile": "default"}})
    return Pods(release)


def _client_go(made: Testbed) -> Pods:
    image = f"k8s-leader-test/client-go:{made.images.first.rpartition(':')[2]}"
    with tempfile.TemporaryDirectory() as folder:
        for program in (PEERS, WORKLOAD):
            shutil.copy(program.build(), Path(folder) / program.name)
        text = f"FROM scratch\nCOPY {PEERS.name} {WORKLOAD.name} /\nUSER 1000:1000\n"
        (Path(folder) / "Dockerfile").write_text(text)
        made.engine.docker("build", "--quiet", "--tag", image, folder)
    made.cluster.load(image)
    release = _release(made, "client-go", image)
    release.kubectl("create", "namespace", release.namespace)
    for manifest in _manifests(release):
        release.kubectl("apply", "--filename=-", stdin=json.dumps(manifest))
    return Pods(release)


def _release(made: Testbed, name: str, image: str) -> Release:
    helm = Helm(program=HELM_4, kubeconfig=made.cluster.kubeconfig)
    namespace = f"bench-{name}"
    return Release(made.cluster, helm=helm, namespace=namespace, image=image)


def _manifests(release: Release) -> list[dict[str, Any]]:
    """
    Return what a user of client-go writes: everything else is as our chart has it.
    """
    meta = {"name": release.lease, "namespace": release.namespace}
    leases = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "create", "update"],
    }
    subject = {"kind": "ServiceAccount", "name": "default"}
    subject["namespace"] = release.namespace
    rbac = "rbac.authorization.k8s.io"
    role = {"kind": "Role", "name": release.lease, "apiGroup": rbac}
    bound = {"subjects": [subject], "roleRef": role}
    deployment = release.ungated()
    spec = deployment["spec"]
    spec |= {"replicas": _REPLICAS, "minReadySeconds": 1, "strategy": _ONE_MORE}
    pod = spec["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 33
    container = pod["containers"][0]
    campaign = (f"/{PEERS.name}", "-lease", release.lease, "-identity", "$(POD_NAME)")
    where = ("-namespace", release.namespace)
    container["command"] = [*campaign, *where, "--", *container["command"]]
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta}
        | {"rules": [leases]},
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": meta} | bound,
        deployment,
    ]


_ONE_MORE = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
}

BUILDERS: Mapping[str, Callable[[Testbed], Pods]] = {
    "ours": _ours,
    "client-go": _client_go,
}
"""Elector → what makes its Pods."""
