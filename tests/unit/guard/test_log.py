"""
The guard's log can neither delay nor end it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import sys
from k8s_leader.guard.log import Log
form, path = sys.argv[1:]
config = {"log_format": form, "log_level": "info", "termination_log": path}
log = Log(config, identity="me_1")
log.prove("me_1")
for number in range(5000):
    log.say(f"line {number} " + "x" * 100)
log.say("hidden", level=10)
log.last("exit 0")
"""


def _run(stderr: int, termination_log: Path, form: str = "text") -> int:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, form, str(termination_log)],
        stderr=stderr,
        timeout=30,
        check=False,
        cwd=Path(__file__).parents[3],
    ).returncode


def test_s9_a_full_stderr_that_nobody_reads_does_not_stop_the_guard(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    try:
        assert _run(writing, tmp_path / "log") == 0
    finally:
        os.close(reading)
        os.close(writing)


def test_s18_the_identity_stays_on_the_first_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("stale\n")
    with (tmp_path / "stderr").open("wb") as stderr:
        assert _run(stderr.fileno(), log, "json") == 0
    assert log.read_text() == "me_1\nexit 0\n"
    lines = (tmp_path / "stderr").read_text().splitlines()
    assert len(lines) == 5000
    assert '"identity": "me_1"' in lines[0]


def test_a_termination_log_that_cannot_be_written_is_said_and_survived(
    tmp_path: Path,
) -> None:
    with (tmp_path / "stderr").open("wb") as stderr:
        assert _run(stderr.fileno(), tmp_path) == 0
    assert "no termination log: [Errno 21]" in (tmp_path / "stderr").read_text()


def test_a_closed_stderr_is_survived(tmp_path: Path) -> None:
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", _PROGRAM]
    done = subprocess.run(
        [*shell, "text", str(tmp_path / "log")],
        timeout=30,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0
    assert (tmp_path / "log").read_text() == "me_1\nexit 0\n"


def test_a_full_disk_under_the_termination_log_is_survived() -> None:
    assert _run(subprocess.DEVNULL, Path("/dev/full")) == 0
