"""
The elector that loads while `run` becomes the guard: real processes on SQLite.
"""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from k8s_leader.guard.descent import state
from k8s_leader.leases.sqlite import glance
from tests.helpers.candidate import wait_until
from tests.helpers.measured import command
from tests.integration.guard.harness import as_pid_1
from tests.integration.guard.test_signals import read_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

SAY = ["--", "sh", "-c", "echo leading; exec sleep 60"]


def children(pid: int) -> dict[int, list[str]]:
    """
    Return the command lines of a process's children.
    """
    found = {}
    for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            line = Path(f"/proc/{word}/cmdline").read_text()
            found[int(word)] = line.rstrip("\0").split("\0")
    return found


def ignores(pid: int, number: int) -> bool:
    """
    Tell whether a process ignores a signal.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(line for line in lines if line.startswith("SigIgn:")).split()[1]
    return bool(int(mask, 16) >> number - 1 & 1)


def electors(pid: int) -> dict[int, list[str]]:
    """
    Return the words after ``elector`` of all electors of a guard.
    """
    return {
        child: words[words.index("elector") + 1 :]
        for child, words in children(pid).items()
        if "elector" in words
    }


def await_elector(pid: int, *, other_than: int = 0) -> tuple[int, list[str]]:
    """
    Return the one elector of a guard, and its words, as soon as there is one.

    One look: a process that executes another program has no command line meanwhile.
    """

    def others() -> list[tuple[int, list[str]]]:
        return [each for each in electors(pid).items() if each[0] != other_than]

    (found,) = wait_until(others, why="there is an elector")
    return found


@pytest.mark.parametrize(("written", "left"), [("flag", ["sqlite"]), ("file", [])])
def test_the_guard_takes_over_an_elector_that_loads_what_it_needs(
    tmp_path: Path, written: str, left: list[str]
) -> None:
    """
    The lease of a file is not known that early: what was guessed is thrown away.
    """
    lease, file = f"sqlite:{tmp_path / 'lease.db'}", tmp_path / "config.yaml"
    file.write_text(f"lease: {lease}\n")
    flags = ["--lease", lease] if written == "flag" else ["--config", str(file)]
    argv = command(tmp_path, "run", *flags, *SAY)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as guard:
        assert guard.stdout is not None
        assert guard.stdout.readline() == b"leading\n"
        first, handed = await_elector(guard.pid)
        assert handed[2:] == left
        assert len(children(guard.pid)) == 2  # and the workload
        assert ignores(first, signal.SIGTTOU)  # a terminal does not stop it
        os.kill(first, signal.SIGKILL)
        _, handed = await_elector(guard.pid, other_than=first)
        assert handed[2:] == []
        guard.terminate()
    assert guard.returncode == 128 + signal.SIGTERM


class Held:
    """
    A `run` whose elector loads already while it waits for its file: that is a pipe.
    """

    def __init__(self, folder: Path, *, prefix: list[str]) -> None:
        self._file = folder / "config.yaml"
        self._lease = f"sqlite:{folder / 'lease.db'}"
        os.mkfifo(self._file)
        argv = command(folder, "run", "--config", str(self._file), *SAY)
        self.process = subprocess.Popen([*prefix, *argv], stdout=subprocess.PIPE)
        self.pid = self.elector = 0
        self._is_prefixed = bool(prefix)

    def await_elector(self) -> None:
        """
        Wait until both processes are there, and learn their numbers.
        """
        self.pid = self.process.pid
        if self._is_prefixed:
            (self.pid,) = wait_until(lambda: children(self.process.pid))
        self.elector, _ = await_elector(self.pid)

    def go_on(self) -> None:
        """
        Give it the file; returns once it is read.
        """
        self._file.write_text(f"lease: {self._lease}\n")

    def line(self) -> bytes:
        """
        Return the next line that the workload wrote.
        """
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture(params=["plain process", "PID 1"])
def held(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Held]:
    made = Held(tmp_path, prefix=as_pid_1() if request.param == "PID 1" else [])
    with made.process:
        try:
            made.await_elector()
            yield made
        finally:
            made.process.kill()


def test_a_stop_before_the_settings_are_read_is_obeyed(held: Held) -> None:
    os.kill(held.pid, signal.SIGTERM)
    held.go_on()
    assert held.process.wait(30) == 0
    assert held.line() == b""
    assert state(held.elector) in ("", "Z")


def test_an_early_elector_that_died_before_there_was_a_guard_is_replaced(
    held: Held,
) -> None:
    """
    Nobody heard SIGCHLD then: it waits for the guard.
    """
    os.kill(held.elector, signal.SIGKILL)
    wait_until(lambda: state(held.elector) == "Z")
    held.go_on()
    assert held.line() == b"leading\n"
    assert held.elector not in electors(held.pid)
    os.kill(held.pid, signal.SIGTERM)
    assert held.process.wait(30) == 128 + signal.SIGTERM


def test_a_killed_run_leaves_no_elector(held: Held) -> None:
    os.kill(held.pid, signal.SIGKILL)
    held.process.wait(30)
    wait_until(lambda: state(held.elector) in ("", "Z"))


def test_a_terminal_that_stops_who_writes_from_behind_stops_nobody(
    tmp_path: Path,
) -> None:
    """
    The elector logs there, and a stopped one would not release the lease.
    """
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[3] |= termios.TOSTOP
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    lease = tmp_path / "lease.db"
    script = 'echo "name?"; read name; echo "hello $name"; exit 6'
    argv = command(tmp_path, "run", "--lease", f"sqlite:{lease}")
    argv = ["setsid", "--ctty", *argv, "--", "sh", "-c", script]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs) as guard:
        os.close(theirs)
        try:
            read_until(ours, b"name?")
            os.write(ours, b"you\n")
            read_until(ours, b"hello you")
            assert guard.wait(30) == 6
        finally:
            guard.kill()
            os.close(ours)
    left = glance(str(lease), name="leader")
    assert left is not None
    assert left.record.was_released
