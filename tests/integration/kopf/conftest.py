"""
A namespace with a kind of its own, and operators in it that journal what they do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.candidate import wait_until
from tests.helpers.cluster import ApiError
from tests.helpers.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.cluster import ApiServer
    from tests.helpers.lifeline import Lifeline

PROGRAM = Path(__file__).with_name("program.py")
GROUP = "test.k8s-leader.io"
HANDLED = "kopf.zalando.org/last-handled-configuration"  # written after the handlers
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"reports.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "reports", "singular": "report", "kind": "Report"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": _ANYTHING},
            }
        ],
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """
    One line of the journal.
    """

    at: float
    event: str
    about: str
    name: str


class Operator:
    """
    One replica, a process.
    """

    def __init__(self, site: OperatorSite, name: str, environ: dict[str, str]) -> None:
        self.log = site.folder / f"{name}.log"
        argv = [sys.executable, str(PROGRAM)]
        if environ["WAY"] == "lead":
            argv = [sys.executable, "-m", "kopf", "run", "--standalone"]
            argv += ["-n", site.namespace, str(PROGRAM)]
            if liveness := environ.get("LIVENESS"):
                argv += ["--liveness", liveness]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environ},
                cwd=PROGRAM.parents[3],
            )
        site.lifeline.add(self.process.pid)

    def handles(self, number: int) -> bool:
        """
        Tell whether it has a handler for a signal.
        """
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(x for x in status.splitlines() if x.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)


class OperatorSite:
    """
    Where the replicas of one test run.
    """

    def __init__(
        self, api: ApiServer, folder: Path, lifeline: Lifeline, stack: ExitStack
    ) -> None:
        self.api, self.folder, self.lifeline = api, folder, lifeline
        self.namespace = api.create_namespace()
        self.journal = folder / "journal"
        self.reports = f"/apis/{GROUP}/v1/namespaces/{self.namespace}/reports"
        self._stack = stack

    def operator(self, name: str, *, way: str = "run", **environ: str) -> Operator:
        kubeconfig = self.api.kubeconfig(namespace=self.namespace)
        operator = Operator(
            self,
            name,
            {
                "NAME": name,
                "WAY": way,
                "JOURNAL": str(self.journal),
                "NAMESPACE": self.namespace,
                "KUBECONFIG": str(kubeconfig),
                **environ,
            },
        )
        self._stack.callback(operator.close)
        return operator

    def proxy(self) -> tuple[TcpProxy, str]:
        """
        Return a proxy before the API server, and a kubeconfig that uses it.
        """
        proxy = self._stack.enter_context(TcpProxy.before(self.api.url))
        path = self.api.kubeconfig(namespace=self.namespace, server=proxy.url)
        return proxy, str(path)

    def make(self, name: str) -> None:
        body = {"apiVersion": f"{GROUP}/v1", "kind": "Report"}
        self.api.request("POST", self.reports, {**body, "metadata": {"name": name}})

    def wait_until_handled(self, name: str) -> None:
        """
        Wait until kopf recorded on an object that its handlers ended.

        kopf starts daemons first, and promises "at least once": who is cut off
        between a handler and its record runs the handler again.
        """
        path = f"{self.reports}/{name}"
        wait_until(
            lambda: HANDLED in self._annotations(path),
            timeout=60,
            why=f"{name} is handled; {self._logs()}",
        )

    def _annotations(self, path: str) -> dict[str, str]:
        metadata: dict[str, Any] = self.api.request("GET", path)["metadata"]
        return metadata.get("annotations") or {}

    def edit_lease(self, **spec: object) -> None:
        """
        Change the Lease as it is now: a renewal in between is no conflict.
        """
        path = self.api.lease_path(self.namespace, "operator")
        self.api.patch(path, {"spec": spec})

    def deeds(self, name: str = "", event: str = "") -> list[Deed]:
        if not self.journal.exists():
            return []
        text = self.journal.read_text()
        lines = text[: text.rfind("\n") + 1].splitlines()
        deeds = [Deed(**json.loads(line)) for line in lines]
        return sorted(
            (d for d in deeds if name in ("", d.name) and event in ("", d.event)),
            key=lambda deed: deed.at,
        )

    def wait_for(self, name: str, event: str, *, count: int = 1) -> Deed:
        """
        Wait for the count-th deed of its kind.
        """
        wait_until(
            lambda: len(self.deeds(name, event)) >= count,
            timeout=60,
            why=f"{name}: {event}; {self._logs()}",
        )
        return self.deeds(name, event)[count - 1]

    def _logs(self) -> str:
        return "\n".join(p.read_text()[-1500:] for p in self.folder.glob("*.log"))


@pytest.fixture
def site(
    api_server: ApiServer, tmp_path: Path, lifeline: Lifeline
) -> Iterator[OperatorSite]:
    try:
        api_server.request(
            "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD
        )
    except ApiError as error:
        if error.status != 409:
            raise
    with ExitStack() as stack:
        site = OperatorSite(api_server, tmp_path, lifeline, stack)
        wait_until(lambda: _is_served(site), why="the kind is served")
        yield site


def _is_served(site: OperatorSite) -> bool:
    try:
        site.api.request("GET", site.reports)
    except ApiError:
        return False
    return True
