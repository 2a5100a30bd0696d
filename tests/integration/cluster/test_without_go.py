"""
A machine without Go says loudly what was not tested.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.go_build import PROGRAMS, GoProgram

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]


def _run(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CI", "COV"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(HERE / "test_peers.py")],
        cwd=REPOSITORY,
        env={**kept, "PATH": "/nowhere", "XDG_CACHE_HOME": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_tests_without_a_server_are_skipped_with_one_loud_line(tmp_path: Path) -> None:
    finished = _run(tmp_path)

    loud = [line for line in finished.stdout.splitlines() if line.startswith("!!")]
    assert finished.returncode == 0
    assert len(loud) == 1
    assert "NOT TESTED: 2 tests" in loud[0]


@pytest.mark.slow
def test_tests_without_a_server_fail_in_ci(tmp_path: Path) -> None:
    finished = _run(tmp_path, CI="true")

    assert finished.returncode == 1
    assert "!! NOT TESTED: 2 tests" in finished.stdout


def _build_all(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tests/cluster/build.py"],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": "/nowhere", "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_go_all_that_an_earlier_build_left_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for program in PROGRAMS:
        built = program._folder() / "go1.24" / program.name
        built.parent.mkdir(parents=True)
        built.touch()

    assert _build_all(tmp_path).returncode == 0

    built.unlink()
    finished = _build_all(tmp_path)
    assert finished.returncode == 3
    assert finished.stderr.splitlines() == [
        f"{program.name} needs Go >= 1.24 on the PATH to be built once "
        "(then: python -m tests.helpers.go_build)"
    ]


@pytest.mark.kube
def test_nothing_is_built_twice_and_content_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "source"
    source.mkdir()
    (source / "go.mod").write_text("module example.test/one\n\ngo 1.24.0\n")
    (source / "main.go").write_text("package main\n\nfunc main() {}\n")
    program = GoProgram(name="one", source=source)

    first, again = program.build(), program.build()
    (source / "main.go").write_text("package main\n\nfunc main() { panic(1) }\n")
    other = program.build()

    assert first == again
    assert first != other
    assert first.exists()
