"""
A real `k8s-leader operator` beside an API server of a test.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.helpers.lifeline import Lifeline

__all__ = ["RIGHTS", "SLICE_RIGHTS", "Operator"]

RIGHTS = [
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "list", "watch", "update", "create"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch", "patch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]
"""All that it needs; its chart gives the same."""

SLICE_RIGHTS = [
    {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "watch"]},
    {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["get", "create", "update"],
    },
]
"""What ``--endpoint-slices`` needs besides."""


_AS_NOBODY = """
import os, pwd, sys
def getpwuid(uid):
    raise KeyError(uid)
pwd.getpwuid = getpwuid
for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
from k8s_leader.cli import main
sys.exit(main())
"""
"""As in a container whose user id has no name."""


class Operator:
    """
    One operator for one namespace.

    Args:
        kubeconfig: of an account with `RIGHTS`.
        flags: of the command, besides.
        namespace: where it acts.
        log: where its output goes.
        lifeline: ends it with the test run.
    """

    def __init__(
        self,
        kubeconfig: Path,
        *flags: str,
        namespace: str,
        log: Path,
        lifeline: Lifeline,
    ) -> None:
        self._log = log
        argv = [sys.executable, "-c", _AS_NOBODY, "operator"]
        argv += ["--namespace", namespace, "--log-level", "debug", *flags]
        with log.open("wb") as out:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, "KUBECONFIG": str(kubeconfig)},
                cwd=Path(__file__).parents[2],
            )
        lifeline.add(self._popen.pid)

    def said(self, text: str) -> bool:
        """
        Tell whether it logged a text.
        """
        return self.times(text) > 0

    def times(self, text: str) -> int:
        """
        Return how often it logged a text.
        """
        return self._log.read_text().count(text)

    def stop(self) -> int:
        """
        Stop it as a guard does, and return its exit status.
        """
        self._popen.send_signal(signal.SIGTERM)
        return self._popen.wait(30)
