"""
What only the elector can find wrong: said once, with status 78, and nothing is run.

What the command line alone shows is in tests/unit/cli/test_bad_input.py.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.kube_tools import write_kubeconfig
from tests.helpers.measured import command

Made = Callable[[Path], list[str]]
EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nowhere/plugin"}


def kubeconfig(**parts: Any) -> Made:
    def make(folder: Path) -> list[str]:
        return ["x", "--kubeconfig", write_kubeconfig(folder / "config", **parts)]

    return make


def written(content: bytes) -> Made:
    def make(folder: Path) -> list[str]:
        (folder / "config").write_bytes(content)
        return ["x", "--kubeconfig", str(folder / "config")]

    return make


def foreign_database(folder: Path) -> list[str]:
    database = sqlite3.connect(folder / "other.db")
    database.execute("CREATE TABLE lease (tenant TEXT, until REAL)")
    database.close()
    return [f"sqlite:{folder / 'other.db'}"]


def broken_database(folder: Path) -> list[str]:
    (folder / "other.db").write_bytes(b"SQLite format 3\0" + b"\1" * 100)
    return [f"sqlite:{folder / 'other.db'}"]


WRONG: dict[str, tuple[Made, str]] = {
    "malformed": (written(b"users: [{token: hunter2"), "that is YAML (line 1)"),
    "binary": (written(b"\0\xffhunter2"), "UTF-8"),
    "context": (written(b"current-context: gone"), "'gone'"),
    "server": (kubeconfig(server="host:6443"), "https://HOST:PORT"),
    "authority": (kubeconfig(cluster={"certificate-authority": "/nowhere"}), "CA cert"),
    "token": (kubeconfig(user={"tokenFile": "/nowhere"}), "tokenFile"),
    "plugin": (kubeconfig(user={"exec": EXEC}), "/nowhere/plugin"),
    "namespace": (kubeconfig(context={"namespace": 7}), "namespace in "),
    "foreign": (foreign_database, "another program's"),
    "broken": (broken_database, "not a SQLite database"),
}


def outcome(folder: Path, make: Made) -> tuple[int, str]:
    """
    Run with what is wrong, and return the exit status and what is said.
    """
    folder.mkdir()
    argv = ("run", "--lease", *make(folder), "--", "touch", str(folder / "ran"))
    done = subprocess.run(
        command(folder, *argv),
        env={**os.environ, "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_what_the_elector_finds_wrong_is_one_message_and_nothing_is_run(
    tmp_path: Path,
) -> None:
    # Of all at once one may take so long to end that its guard takes it for hung.
    with ThreadPoolExecutor(3) as few:
        ended = {
            name: few.submit(outcome, tmp_path / name, make)
            for name, (make, _) in WRONG.items()
        }
    for name, (_, wanted) in WRONG.items():
        code, said = ended[name].result()
        # Without a cgroup the guard may come to say so before its elector has loaded.
        lines = said.splitlines(keepends=True)
        text = "".join(line for line in lines if " INFO " not in line)
        assert code == 78, text
        assert text.startswith("k8s-leader: error: "), text
        assert text.count("\n") == 1, text
        assert wanted in text
        assert "Fix: " in text
        assert "hunter2" not in text
        assert not (tmp_path / name / "ran").exists()
