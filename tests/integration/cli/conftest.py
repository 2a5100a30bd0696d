from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.candidate import Candidate, Journal, wait_until
from tests.helpers.cluster import ApiServer
from tests.helpers.lifeline import Lifeline
from tests.helpers.site import Site

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def site(
    api_server: ApiServer,
    tmp_path: Path,
    lifeline: Lifeline,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    """
    A namespace that the command looks at with an administrator's rights.
    """
    made = Site(api_server, Journal(tmp_path / "journal"), lifeline)
    path = api_server.kubeconfig(namespace=made.namespace)
    monkeypatch.setenv("KUBECONFIG", str(path))
    return made


@pytest.fixture
def pair(site: Site) -> Iterator[tuple[Candidate, Candidate]]:
    """
    The leader ``a`` and the standby ``b``, both with Pods.
    """
    with site.candidate("a") as a:
        wait_until(lambda: site.role("a") == "leader", why="a leads")
        with site.candidate("b") as b:
            wait_until(lambda: site.role("b") == "standby", why="b waits")
            yield a, b


class Running:
    """
    A command of ours that goes on and on; its lines as they come.
    """

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "k8s_leader", *words],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def line(self) -> str:
        """
        Wait for the next line; the test's time-out bounds it.
        """
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def interrupt(self) -> int:
        """
        Press Ctrl-C and return the exit status.
        """
        self._process.send_signal(2)
        self._process.communicate(timeout=30)
        return self._process.returncode

    def clean_up(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@pytest.fixture
def running() -> Iterator[list[Running]]:
    """
    Commands that are ended with the test.
    """
    found: list[Running] = []
    yield found
    for one in found:
        one.clean_up()
