"""
The operator of the documentation, two replicas of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import wait_until
from tests.integration.kopf.conftest import HANDLED

if TYPE_CHECKING:
    from tests.helpers.cluster import ApiServer
    from tests.helpers.lifeline import Lifeline

pytestmark = [pytest.mark.kube, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[3] / "examples" / "kopf_operator.py"


def test_one_replica_greets_and_after_sigterm_the_other(
    api_server: ApiServer, namespace: str, tmp_path: Path, lifeline: Lifeline
) -> None:
    def make(name: str) -> None:
        metadata = {"name": name, "labels": {"greet": "yes"}}
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        api_server.request("POST", path, {"metadata": metadata})

    def annotations(name: str) -> dict[str, str]:
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        return api_server.request("GET", path)["metadata"].get("annotations") or {}

    environ = {**os.environ, "KUBECONFIG": str(api_server.admin_kubeconfig)}
    logs = [tmp_path / "a.log", tmp_path / "b.log"]
    with ExitStack() as stack:
        replicas = []
        for log, sign in zip(logs, ("hello, one", "the leader is"), strict=True):
            out = stack.enter_context(log.open("wb"))
            argv = [sys.executable, str(EXAMPLE), namespace]
            replica = subprocess.Popen(argv, stdout=out, stderr=out, env=environ)
            lifeline.add(replica.pid)
            stack.callback(replica.wait, 30)
            stack.callback(replica.kill)
            replicas.append(replica)
            if log is logs[0]:
                make("one")
            wait_until(lambda log=log, sign=sign: sign in log.read_text(), timeout=60)  # type: ignore[misc]
        # Before kopf has recorded it, whoever leads next greets once more.
        wait_until(lambda: HANDLED in annotations("one"), timeout=60)
        replicas[0].send_signal(signal.SIGTERM)
        assert replicas[0].wait(30) == 0
        make("two")
        wait_until(lambda: "hello, two" in logs[1].read_text(), timeout=60)
        assert "hello, one" not in logs[1].read_text()
