"""
What the probes of a real leader answer, and what becomes of its port.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from k8s_leader.guard.descent import state
from tests.helpers.candidate import LASTING, wait_until
from tests.helpers.http import ask

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.candidate import Candidate

pytestmark = pytest.mark.slow


def test_a_guard_that_is_stopped_is_not_alive(leader: Candidate, port: int) -> None:
    assert ask(port, "/livez").status == 200
    leader.send(signal.SIGSTOP)
    wait_until(lambda: state(leader.pid) == "T", why="it is stopped")
    answer = ask(port, "/livez")
    assert answer.status == 503
    assert "[-]guard failed: it is stopped\n" in answer.text


def test_the_status_says_as_the_log_what_ends_the_tree_of_a_killed_guard(
    leader: Candidate, port: int
) -> None:
    tie = ask(port, "/status").json()["workload"]["ends_with_guard_by"]
    assert tie == ("best effort" if "best effort" in leader.text() else "cgroup")


@pytest.mark.parametrize("timings", [(*LASTING, "--lease-duration", "30s")])
def test_a_hung_elector_answers_nobody_and_leads_no_more(
    leader: Candidate, port: int
) -> None:
    elector = leader.elector
    assert elector is not None
    # The guard's patience is a third of the lease: it has to outlast the question.
    os.kill(elector, signal.SIGSTOP)
    wait_until(lambda: state(elector) == "T", why="it is stopped")
    with pytest.raises(OSError, match="timed out"):
        ask(port, "/leaderz", timeout=0.5)
    wait_until(lambda: leader.elector != elector, why="the guard replaced it")


def test_a_port_in_use_is_78_before_anything_is_started(
    leader: Candidate, port: int, tmp_path: Path
) -> None:
    argv = [sys.executable, "-m", "k8s_leader", "run"]
    argv += ["--lease", f"sqlite:{tmp_path / 'other.db'}"]
    argv += ["--http", f"127.0.0.1:{port}", "--", "touch", str(tmp_path / "ran")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 78
    assert "in use" in done.stderr
    assert not (tmp_path / "ran").exists()
    assert ask(port, "/leaderz").status == 200, "the other one leads on"
