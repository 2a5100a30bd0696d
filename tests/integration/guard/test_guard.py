"""The guard stops the workload by itself, and ends with the right status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import scripted_elector

GUARD = Path(__file__).parents[3] / "k8s_leader" / "guard" / "__main__.py"
STUBBORN = "trap 'echo told' TERM; (setsid sleep 1000 &) ; while :; do sleep 0.05; done"


def run_guard(
    command: list[str], *, after: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a guard to its end; return it and the seconds that it took."""
    script = str(Path(scripted_elector.__file__))
    config = {
        "command": command,
        "elector_argv": [sys.executable, "-I", "-S", script, after],
        "identity_prefix": "test",
        "timing": {
            "lease_duration": 3.0,
            "renew_deadline": 1.0,
            "safety_margin": 0.5,
            "kill_time": 0.5,
            "stop_timeout": 5.0,
        },
        "on_exit": "exit",
        "success_exit_codes": [],
        "stop_signal": 15,
        "signal_map": {},
        "log_format": "text",
        "log_level": "info",
    }
    fd = os.memfd_create("config")
    os.write(fd, json.dumps(config).encode())
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(GUARD), str(fd)],
            pass_fds=[fd],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(fd)
    return done, time.monotonic() - began


def test_s9_without_an_extension_a_stubborn_tree_is_told_then_killed() -> None:
    """The pipes' end proves that the setsid descendant is gone, too."""
    done, took = run_guard(["sh", "-c", STUBBORN], after="silent")
    assert "told" in done.stdout
    assert "every process of it is reaped" in done.stderr
    assert done.returncode == 137
    assert took >= 1.4


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "kill -9 $$"], 137),
        (["/nonexistent/program"], 127),
        (["/dev/null"], 126),
    ],
)
def test_the_guard_ends_as_its_workload_ended(command: list[str], status: int) -> None:
    """Own status, 128+n, not found, not executable."""
    assert run_guard(command, after="silent")[0].returncode == status


@pytest.mark.parametrize("status", [75, 77, 78, 79])
def test_a_fatal_status_of_the_elector_is_the_guards(status: int) -> None:
    """The workload never ran."""
    assert run_guard(["true"], after=str(status))[0].returncode == status
