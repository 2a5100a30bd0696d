"""
The guard's log can neither delay nor end it.
"""

from __future__ import annotations

import os
import socket
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


def _run(
    stderr: int, termination_log: Path, form: str = "text", program: str = _PROGRAM
) -> int:
    return subprocess.run(
        [sys.executable, "-c", program, form, str(termination_log)],
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


_LIE = """
import select
select.select = lambda *_: ((), (2,), ())
"""


def test_s9_a_stderr_that_fills_between_look_and_write_does_not_stop_the_guard(
    tmp_path: Path,
) -> None:
    """
    The workload writes into the same pipe: what was ready may not be any more.
    """
    reading, writing = os.pipe()
    try:
        assert _run(writing, tmp_path / "log", program=_LIE + _PROGRAM) == 0
        assert os.get_blocking(writing), "the workload's own stderr was changed"
    finally:
        os.close(reading)
        os.close(writing)


def test_s9_a_stderr_that_cannot_be_opened_anew_does_not_stop_the_guard(
    tmp_path: Path,
) -> None:
    """
    A socket, as a journal gives its services one.
    """
    reading, writing = socket.socketpair()
    with reading, writing:
        assert _run(writing.fileno(), tmp_path / "log") == 0
        assert reading.recv(4096).startswith(b"20")


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
