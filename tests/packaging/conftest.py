from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

NEED_AN_EXTRA = [
    "k8s_leader.integrations.kopf",
    "k8s_leader.operator.run",
    "k8s_leader.testing.plugin",
]
"""Modules that import what an installation without extras does not have."""


def clean_environ() -> dict[str, str]:
    """
    Return the environment without what would find the checkout.
    """
    dropped = ("PYTHON", "COVERAGE_", "K8S_LEADER_", "VIRTUAL_ENV")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return {**kept, "PIP_ROOT_USER_ACTION": "ignore", "PIP_NO_INPUT": "1"}


def call(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """
    Run a command away from the checkout; return what it said.
    """
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean_environ(),
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )


def must(*command: object, cwd: Path) -> str:
    done = call(*command, cwd=cwd)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Built:
    wheel: Path
    sdist: Path


@dataclass(frozen=True, kw_only=True)
class Installed:
    """
    An environment that holds the wheel and its pinned dependencies, nothing else.
    """

    folder: Path
    cwd: Path

    def run(self, program: str, *args: object) -> subprocess.CompletedProcess[str]:
        return call(self.folder / "bin" / program, *args, cwd=self.cwd)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("dist")
    # The wheel is built from the sdist: what the sdist lacks, the wheel lacks.
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    must(*command, cwd=out)
    return Built(wheel=next(out.glob("*.whl")), sdist=next(out.glob("*.tar.gz")))


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.EnvBuilder(with_pip=True, symlinks=True).create(folder)
    python = folder / "bin" / "python"
    install = (python, "-I", "-m", "pip", "install", "--quiet", "--no-deps")
    cwd = folder.parent
    pins = ROOT / "requirements" / "runtime.txt"
    must(*install, "--require-hashes", "-r", pins, cwd=cwd)
    must(*install, built.wheel, cwd=cwd)
    return Installed(folder=folder, cwd=cwd)
