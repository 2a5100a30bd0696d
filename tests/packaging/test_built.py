from __future__ import annotations

import json
import os
import signal
import subprocess
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

from tests.packaging.conftest import (
    NEED_AN_EXTRA,
    ROOT,
    Built,
    Installed,
    clean_environ,
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"k8s_leader", f"k8s_leader-{PROJECT['version']}.dist-info"}
    assert "k8s_leader/py.typed" in names
    assert not [name for name in names if name.endswith((".pyc", ".db"))]
    sources = {
        str(path.relative_to(ROOT)) for path in (ROOT / "k8s_leader").rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == sources


def test_the_wheel_tells_licence_version_and_pythons(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith("/METADATA"))
        metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Name"] == "k8s-leader"
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert len(metadata.get_all("Requires-Dist", [])) >= len(PROJECT["dependencies"])


def test_the_sdist_holds_what_is_needed_to_test_it(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    for wanted in ("pyproject.toml", "Makefile", "LICENSE", "tests/conftest.py"):
        assert wanted in names
    assert ".ci/test" in names
    assert not [name for name in names if name.startswith((".venv", ".git/"))]


def test_the_installed_package_is_not_the_checkout(installed: Installed) -> None:
    done = installed.run(
        "python", "-c", "import k8s_leader; print(k8s_leader.__file__)"
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed.folder)


def test_the_dependencies_fit_together(installed: Installed) -> None:
    done = installed.run("python", "-m", "pip", "check")
    assert done.returncode == 0, done.stdout


def test_the_console_script_knows_its_version(installed: Installed) -> None:
    done = installed.run("k8s-leader", "version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"k8s-leader {PROJECT['version']} ")


def test_the_module_is_the_same_command(installed: Installed) -> None:
    done = installed.run("python", "-m", "k8s_leader", "run", "--", "true")
    assert done.returncode == 78
    assert done.stderr.startswith("k8s-leader: error: --lease is missing")


def test_disabled_becomes_the_command(installed: Installed) -> None:
    done = installed.run("k8s-leader", "run", "--disabled", "--", "sh", "-c", "exit 5")
    assert done.returncode == 5


def test_every_module_can_be_imported(installed: Installed) -> None:
    code = (
        "import importlib, json, pkgutil, k8s_leader\n"
        "names = [m.name for m in pkgutil.walk_packages("
        "k8s_leader.__path__, 'k8s_leader.')]\n"
        "names = [n for n in names if not n.endswith('__main__')]\n"
        f"names = [n for n in names if n not in {NEED_AN_EXTRA!r}]\n"
        "[importlib.import_module(n) for n in names]\n"
        "print(json.dumps(names))"
    )
    done = installed.run("python", "-W", "error::ImportWarning", "-c", code)
    assert done.returncode == 0, done.stderr
    assert "k8s_leader.election.timing" in json.loads(done.stdout)


def test_the_elector_of_an_installed_package_needs_no_folders(
    installed: Installed,
) -> None:
    code = "from k8s_leader.cli import early; print(*early.elector_argv()[1:])"
    done = installed.run("python", "-c", code)
    assert done.stdout.strip() == "-I -m k8s_leader elector", done.stderr


def test_run_on_a_sqlite_lease_runs_the_command_and_stops(
    installed: Installed, tmp_path: Path
) -> None:
    script = installed.folder / "bin" / "k8s-leader"
    words = ["run", "--lease", f"sqlite:{tmp_path / 'lease.db'}", "--"]
    words += ["sh", "-c", "echo leading $LEADER_FENCING_TOKEN; exec sleep 60"]
    process = subprocess.Popen(
        [script, *words],
        cwd=tmp_path,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline().split()
        assert first[:1] == ["leading"], process.communicate(timeout=10)[1]
        assert int(first[1]) > 0
        os.kill(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=40)
        assert process.returncode == 128 + signal.SIGTERM, err
    finally:
        process.kill()
        process.communicate()
