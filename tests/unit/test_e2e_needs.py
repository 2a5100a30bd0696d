"""
A machine that cannot have a cluster is told what it lacks, by package.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.kind import shell
from tests.cluster.kind.engine import Engine
from tests.e2e import __main__ as command
from tests.e2e import testbed
from tests.helpers.go_build import GoProgram

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "answers", lambda _: False)
    monkeypatch.setattr(GoProgram, "can_be_had", lambda _: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def without(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    monkeypatch.setattr(
        shell, "which", lambda name: None if name in programs else f"/usr/bin/{name}"
    )


def test_missing_programs_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, "dockerd", "docker", "debootstrap")
    assert testbed.why_not() == (
        "no container engine answers, and for a private one debootstrap, docker, "
        "dockerd are missing: apt-get install --no-install-recommends debootstrap "
        "docker.io"
    )


def test_nothing_is_missing_where_all_programs_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch)
    assert testbed.why_not() is None


def test_without_root_it_is_said_that_no_engine_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only root can start a private one" in str(testbed.why_not())


def test_without_go_it_is_said_where_to_find_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GoProgram, "can_be_had", lambda _: False)
    assert testbed.why_not() == "Go 1.24 or newer is missing: https://go.dev/dl"


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_what_is_missing_fails_the_run_only_in_continuous_integration(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ci: str,
    status: int,
) -> None:
    without(monkeypatch, "containerd", "ctr")
    monkeypatch.setenv("CI", ci)
    assert command.main() == status
    said = capsys.readouterr().err
    assert said.startswith("!! NO END-TO-END TESTS: ")
    assert "containerd" in said


def test_continuous_integration_installs_the_packages_that_are_named() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    for package in set(shell.PACKAGES.values()):
        assert f":{package}" in script, package


def test_a_terminal_of_a_person_without_an_engine_sees_the_same() -> None:
    environ = {"PATH": "/nowhere", "HOME": "/nonexistent", "XDG_CACHE_HOME": "/none"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e"],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Go 1.24 or newer is missing" in done.stderr
