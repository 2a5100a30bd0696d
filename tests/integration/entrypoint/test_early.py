"""
The elector that loads while `run` becomes the guard: real processes on SQLite.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.helpers.candidate import wait_until
from tests.helpers.measured import command

pytestmark = pytest.mark.slow


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


def electors(pid: int) -> dict[int, list[str]]:
    """
    Return the words after ``elector`` of all electors of a guard.
    """
    return {
        child: words[words.index("elector") + 1 :]
        for child, words in children(pid).items()
        if "elector" in words
    }


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
    words = ["run", *flags, "--", "sh", "-c", "echo leading; exec sleep 60"]
    with subprocess.Popen(command(tmp_path, *words), stdout=subprocess.PIPE) as guard:
        assert guard.stdout is not None
        assert guard.stdout.readline() == b"leading\n"
        ((first, handed),) = electors(guard.pid).items()
        assert handed[2:] == left
        assert len(children(guard.pid)) == 2  # and the workload
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: electors(guard.pid).keys() - {first})
        ((_, handed),) = electors(guard.pid).items()
        assert handed[2:] == []
        guard.terminate()
    assert guard.returncode == 128 + signal.SIGTERM
