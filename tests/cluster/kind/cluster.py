"""
One kind cluster: made, loaded with images, asked with kubectl, deleted.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.kind.network import connect_pods
from tests.cluster.kind.node_image import node_image
from tests.cluster.kind.shell import CommandError, run
from tests.helpers.go_build import KIND, KUBERNETES

if TYPE_CHECKING:
    from tests.cluster.kind.engine import Engine

__all__ = ["SHARED", "KindCluster", "published_image"]

SHARED = "/shared"
"""A folder of this machine that every node has; see `KindCluster.shared`."""


def published_image() -> str:
    """
    Return the node image that an engine takes which can pull images.
    """
    return os.environ.get("KIND_NODE_IMAGE") or "kindest/node:v1.34.0"


class KindCluster:
    """
    A cluster of one control plane and two workers.

    A node that is lost is noticed after 6 to 8 s, not 40 s as by default.

    Args:
        engine: where the nodes run.
        name: of the cluster, unique on the engine.
        folder: of its files; ``folder/shared`` is `SHARED` on every node. With the name
            it is all that another process takes to use a cluster that exists.
    """

    def __init__(self, engine: Engine, *, name: str, folder: Path) -> None:
        self.engine = engine
        self.name = name
        self.kubeconfig = folder / "kubeconfig"
        self.shared = folder / "shared"
        self.shared.mkdir(exist_ok=True)
        self.shared.chmod(0o777)
        self.folder = folder
        self._kubectl = folder / "kubectl"
        if not self._kubectl.is_symlink():
            self._kubectl.symlink_to(KUBERNETES.build())

    @property
    def workers(self) -> list[str]:
        """
        The names of the worker nodes, which are names of containers too.
        """
        return [f"{self.name}-worker", f"{self.name}-worker2"]

    @property
    def control_plane(self) -> str:
        """
        The name of the control plane's node and container.
        """
        return f"{self.name}-control-plane"

    def create(self) -> None:
        """
        Make the cluster and wait until its nodes are ready.
        """
        own = self.engine.sealed
        image = node_image(self.engine) if own else published_image()
        config = self.folder / "kind.json"
        config.write_text(json.dumps(self._config(own=own)))
        words = ("--image", image, "--config", config, "--kubeconfig", self.kubeconfig)
        self._kind("create", "cluster", "--name", self.name, *words)
        if own:
            connect_pods(self)
        self.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=120s")

    def delete(self) -> None:
        """
        Delete the cluster, whatever state it is in.
        """
        for node in (*self.workers, self.control_plane):
            run("docker", "unpause", node, env=self.engine.environ, check=False)
        self._kind("delete", "cluster", "--name", self.name)

    def load(self, *images: str) -> None:
        """
        Give the nodes these images of the engine.
        """
        archive = self.folder / "images.tar"
        self.engine.docker("save", "--output", archive, *images)
        command = ["ctr", "--namespace=k8s.io", "images", "import"]
        command += ["--snapshotter=overlayfs", "-"]
        for node in self.workers:
            words = ["docker", "exec", "--interactive", node, *command]
            environ = {**os.environ, **self.engine.environ}
            with archive.open("rb") as content:
                subprocess.run(
                    words, stdin=content, env=environ, check=True, capture_output=True
                )
        archive.unlink()

    def kubectl(
        self,
        *args: object,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 180,
    ) -> str:
        """
        Run kubectl as the cluster's administrator; return its output.
        """
        words = (self._kubectl, "--kubeconfig", self.kubeconfig, *args)
        return run(*words, stdin=stdin, check=check, timeout=timeout)

    def get(self, *args: object) -> Any:
        """
        Return what kubectl gets, as JSON.
        """
        return json.loads(self.kubectl("get", *args, "--output=json"))

    def on_node(self, node: str, *command: object, stdin: str | None = None) -> str:
        """
        Run a command on a node, as root.
        """
        interactive = ("--interactive",) if stdin is not None else ()
        return self.engine.docker("exec", *interactive, node, *command, stdin=stdin)

    def start_node(self, node: str) -> None:
        """
        Start a node again that was killed, and wait until it is ready.
        """
        self.engine.docker("start", node)
        self.await_api()
        if self.engine.sealed:
            connect_pods(self)
        words = ("wait", "--for=condition=Ready", f"node/{node}", "--timeout=120s")
        self.kubectl(*words)

    def await_api(self, timeout: float = 60) -> None:
        """
        Wait until the API server is ready.
        """
        ends = time.monotonic() + timeout
        while True:
            try:
                self.kubectl("get", "--raw=/readyz", "--request-timeout=2s")
            except CommandError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
            else:
                return

    def _kind(self, *args: object) -> None:
        environ = {**self.engine.environ, "KIND_EXPERIMENTAL_PROVIDER": "docker"}
        run(KIND.build(), *args, "--quiet", env=environ, timeout=600)

    def _config(self, *, own: bool) -> dict[str, Any]:
        kubelet = {
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "nodeStatusUpdateFrequency": "3s",
            "nodeLeaseDurationSeconds": 8,
        }
        manager = {
            "kind": "ClusterConfiguration",
            "controllerManager": {
                "extraArgs": {
                    "node-monitor-grace-period": "8s",
                    "node-monitor-period": "1s",
                }
            },
        }
        # No test asks for names: our own node image has no name server.
        start = {
            "kind": "InitConfiguration",
            "skipPhases": ["preflight", "addon/coredns"],
        }
        patches = [kubelet, manager, *([start] if own else [])]
        mounts = [{"hostPath": str(self.shared), "containerPath": SHARED}]
        roles = ("control-plane", "worker", "worker")
        return {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "networking": {"apiServerAddress": "127.0.0.1", "disableDefaultCNI": own},
            "kubeadmConfigPatches": [json.dumps(patch) for patch in patches],
            "nodes": [{"role": role, "extraMounts": mounts} for role in roles],
        }
