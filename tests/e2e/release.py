"""
One release of the chart on the cluster, and what can be seen of it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tests.cluster.kind.cluster import SHARED, KindCluster
from tests.e2e.terms import Term, boottime, check, read_terms
from tests.helpers.helm import CHART, Helm, merged
from tests.helpers.site import COST

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Release", "eventually"]

T = TypeVar("T")


def eventually(look: Callable[[], T], *, timeout: float = 60, what: str = "") -> T:
    """
    Return the first true answer of `look`.

    Raises:
        AssertionError: there was none in time; the last answer is named.
    """
    ends = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > ends:
            raise AssertionError(f"not in {timeout:.0f} s: {what or look} ({found})")
        time.sleep(0.05)


class Release:
    """
    A release of the chart whose workloads write into a folder that outlives them.

    Args:
        cluster: where it is installed.
        helm: by what.
        namespace: of the release; made here.
        image: of the workload.
    """

    name = "demo"
    lease = "demo-k8s-leader"

    def __init__(
        self, cluster: KindCluster, *, helm: Helm, namespace: str, image: str
    ) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.folder = cluster.shared / namespace
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self._helm = helm
        repository, _, tag = image.rpartition(":")
        self.path = path = f"{SHARED}/{namespace}"
        self._values: dict[str, Any] = {
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "command": ["/workload", "-folder", path],
            "volumes": [{"name": "runs", "hostPath": {"path": path}}],
            "volumeMounts": [{"name": "runs", "mountPath": path}],
            "timing": {"profile": "fast"},
            "minReadySeconds": 1,
            # Lost nodes are the tests' business, not the default five minutes'.
            "tolerations": [_soon("not-ready"), _soon("unreachable")],
        }

    def install(
        self, values: dict[str, Any] | None = None, *flags: str, chart: Path = CHART
    ) -> None:
        """
        Install the chart and wait until it is rolled out.
        """
        values = merged(self._values, values or {})
        words = ("--create-namespace", "--wait", "--timeout", "90s", *flags)
        self._do("install", *words, chart=chart, values=values)

    def upgrade(self, values: dict[str, Any], *flags: str) -> None:
        """
        Change values, and wait until the rollout is over.
        """
        values = merged(self._values, values)
        self._do("upgrade", "--wait", "--timeout", "120s", *flags, values=values)

    def uninstall(self) -> None:
        """
        Uninstall, and wait until the objects of the release are gone.
        """
        self.helm("uninstall", "--wait", "--timeout", "90s")

    def beside(self, what: str, *more: str) -> list[str]:
        """
        Return a command that writes as the workload does, into the folder `what`.
        """
        folder = self.folder / what
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        path = f"{SHARED}/{self.namespace}/{what}"
        return ["/workload", *more, "-folder", path]

    def with_volume(
        self, name: str, host_path: dict[str, str], mount: str
    ) -> dict[str, Any]:
        """
        Return values with one more folder of the nodes.
        """
        volume = {"name": name, "hostPath": host_path}
        mounted = {"name": name, "mountPath": mount, "readOnly": True}
        return {
            "volumes": [*self._values["volumes"], volume],
            "volumeMounts": [*self._values["volumeMounts"], mounted],
        }

    def another_namespace(self) -> str:
        """
        Make one more namespace; return its name.
        """
        name = f"{self.namespace}-leases"
        self.cluster.kubectl("create", "namespace", name)
        return name

    def ungated(self) -> dict[str, Any]:
        """
        Return a Deployment of the release's name that runs the workload without us.
        """
        labels = {
            "app.kubernetes.io/name": "k8s-leader",
            "app.kubernetes.io/instance": self.name,
        }
        image = self._values["image"]
        fields = {"POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}}}
        container = {
            "name": "workload",
            "image": f"{image['repository']}:{image['tag']}",
            "imagePullPolicy": "Never",
            "command": self._values["command"],
            "env": [
                {"name": "LEADER_FENCING_TOKEN", "value": "0"},
                *({"name": k, "valueFrom": v} for k, v in fields.items()),
            ],
            "volumeMounts": self._values["volumeMounts"],
        }
        spec = {"containers": [container], "volumes": self._values["volumes"]}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.lease, "namespace": self.namespace},
            "spec": {
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }

    def helm(self, action: str, *flags: str) -> str:
        """
        Run another command of Helm on the release; return its output.
        """
        words = (self.name, *flags, "--namespace", self.namespace)
        return self._helm.run(action, *words, timeout=180)

    def kubectl(self, *args: object, stdin: str | None = None) -> str:
        """
        Run kubectl in the release's namespace.
        """
        return self.cluster.kubectl("--namespace", self.namespace, *args, stdin=stdin)

    def pods(self) -> list[dict[str, Any]]:
        """
        Return the candidates that are not being deleted.
        """
        words = (
            "--namespace",
            self.namespace,
            "-l",
            "app.kubernetes.io/name=k8s-leader",
        )
        items = self.cluster.get("pods", *words)["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def terms(self) -> list[Term]:
        """
        Return the workloads' runs so far, none of which overlap.
        """
        return check(read_terms(self.folder))

    def running(self) -> Term | None:
        """
        Return the workload that runs now.
        """
        terms = self.terms()
        alive = terms and boottime() - terms[-1].last < 0.5
        return terms[-1] if alive else None

    def await_leader(self, *, after: Term | None = None, timeout: float = 60) -> Term:
        """
        Return the workload that runs, once it is another than `after`.
        """

        def found() -> Term | None:
            term = self.running()
            newer = term and (after is None or term.first > after.last)
            return term if newer else None

        term = eventually(found, timeout=timeout, what="a workload that runs")
        assert term is not None
        return term

    def record(self) -> dict[str, Any]:
        """
        Return the spec of the Lease.
        """
        words = ("--namespace", self.namespace, "lease", self.lease)
        spec: dict[str, Any] = self.cluster.get(*words).get("spec", {})
        return spec

    def await_cost(self, pod: str) -> None:
        """
        Wait until a leader's Pod says that it is to be deleted last.

        The workload runs first: an upgrade in that very moment may move it twice.
        """
        eventually(lambda: COST in self._annotations(pod), what=f"the cost of {pod}")

    def _annotations(self, pod: str) -> dict[str, str]:
        found = self.cluster.get("pod", pod, "--namespace", self.namespace)
        annotations: dict[str, str] = found["metadata"].get("annotations") or {}
        return annotations

    def await_renewal(self) -> None:
        """
        Wait until the lease is renewed: from now on it protects its holder the longest.
        """
        seen = self.record()["renewTime"]
        eventually(lambda: self.record()["renewTime"] != seen, what="a renewal")

    def _do(
        self, action: str, *flags: str, values: dict[str, Any], chart: Path = CHART
    ) -> None:
        words = (self.name, str(chart), "--namespace", self.namespace, *flags)
        self._helm.run(action, *words, values=values, timeout=180)
        self._values = values  # what was refused is not kept


def _soon(condition: str) -> dict[str, Any]:
    return {
        "key": f"node.kubernetes.io/{condition}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 2,
    }
