"""
The self-contained tree, in file systems that hold nothing else. Needs no engine.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.util import cache_from_source
from pathlib import Path

import pytest
import yaml

from tests.packaging.conftest import NEED_AN_EXTRA, ROOT, must

PREFIX = "/opt/k8s-leader"
COMMAND = f"{PREFIX}/bin/k8s-leader"
PYTHON = f"{PREFIX}/bin/python3"
BARE = {"PATH": "/usr/local/bin:/bin", "HOME": "/", "GREETING": "kept"}


def build(root: Path) -> Path:
    base = getattr(sys, "_base_executable", sys.executable)
    must(base, ROOT / "image" / "build_tree.py", "--root", root, cwd=root.parent)
    return root


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("tree") / "root")


@pytest.fixture
def empty(tree: Path, tmp_path: Path) -> Path:
    """
    A root file system with the tree and nothing else, ours to write to.
    """
    root = tmp_path / "root"
    shutil.copytree(tree, root, symlinks=True)
    for name in ("proc", "tmp", "target"):
        (root / name).mkdir()
    return root


def inside(
    root: Path, *command: object, user: int = 0
) -> subprocess.CompletedProcess[str]:
    """
    Run a command in the file system, as the first process of its own.
    """
    words = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", f"--root={root}"]
    if os.geteuid():
        words[1:1] = ["--user", "--map-root-user"]
    elif user:
        words[1:1] = [f"--setuid={user}", f"--setgid={user}"]
    return subprocess.run(
        [*words, *map(str, command)],
        env=BARE,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_tree_runs_where_there_is_nothing_else(empty: Path) -> None:
    done = inside(empty, "k8s-leader", "version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("k8s-leader ")


def test_the_workload_finds_the_environment_of_its_container(empty: Path) -> None:
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    lease = ("--lease", "sqlite:/tmp/lease.db")
    done = inside(empty, COMMAND, "run", *lease, "--", PYTHON, "-IS", "-c", code)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    ours = {name: value for name, value in found.items() if name.startswith("LEADER_")}
    assert ours["LEADER_FENCING_TOKEN"] == "1"
    rest = {k: v for k, v in found.items() if k not in ours and k != "LC_CTYPE"}
    assert rest == BARE


def test_libraries_of_the_workload_are_not_ours(empty: Path) -> None:
    (empty / "lib").mkdir()
    (empty / "lib" / "libc.so.6").write_text("a C library of another kind")
    code = "import ssl, sqlite3, asyncio, ctypes; print(open('/proc/self/maps').read())"
    environ = [PYTHON, "-I", "-c", "import os; os.environ['LD_LIBRARY_PATH'] = '/lib'"]
    environ[-1] += f"; os.execv({PYTHON!r}, [{PYTHON!r}, '-I', '-c', {code!r}])"
    done = inside(empty, *environ)
    assert done.returncode == 0, done.stderr
    mapped = {line.split()[-1] for line in done.stdout.splitlines() if ".so" in line}
    assert len(mapped) > 5
    assert all(path.startswith(PREFIX) for path in mapped)


def test_every_module_that_we_load_is_in_the_tree(empty: Path) -> None:
    code = (
        "import importlib, pkgutil, k8s_leader\n"
        f"optional = {NEED_AN_EXTRA!r}\n"
        "for m in pkgutil.walk_packages(k8s_leader.__path__, 'k8s_leader.'):\n"
        "    if m.name not in optional and not m.name.endswith('__main__'):\n"
        "        importlib.import_module(m.name)\n"
        "from k8s_leader.kube import lean\n"
        "for n in ('client.rest', 'config.kube_config', 'config.exec_provider'):\n"
        "    print(lean.load(n).__name__)\n"
    )
    done = inside(empty, PYTHON, "-I", "-c", code)
    assert done.returncode == 0, done.stderr
    assert "kubernetes_asyncio.client.rest" in done.stdout


def test_a_copy_of_the_tree_is_the_tree(empty: Path, tmp_path: Path) -> None:
    (empty / "target").chmod(0o777)  # a volume: not ours, but we may write
    for _ in range(2):  # an init container may be started twice
        done = inside(empty, COMMAND, "copy-tree", "/target", user=65532)
        assert done.returncode == 0, done.stderr
    other = tmp_path / "other"
    (other / "proc").mkdir(parents=True)
    (other / "opt").mkdir()
    (empty / "target").rename(other / PREFIX.lstrip("/"))
    done = inside(other, COMMAND, "version")
    assert done.returncode == 0, done.stderr


def test_copying_without_a_folder_says_how(empty: Path) -> None:
    done = inside(empty, COMMAND, "copy-tree", "/nowhere")
    assert done.returncode == 78
    assert "copy-tree FOLDER" in done.stderr


def test_everything_is_compiled_and_readable_by_any_user(tree: Path) -> None:
    for path in tree.rglob("*"):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode & 0o777
        assert mode in (0o755, 0o644), path
        if path.suffix == ".py":
            assert Path(cache_from_source(str(path))).exists(), path
        assert path.stat().st_mtime == 0, path


def test_the_bill_of_materials_names_every_package(tree: Path) -> None:
    home = tree / PREFIX.lstrip("/")
    bill = json.loads((home / "share" / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    named = {c["name"].replace("-", "_").replace(".", "_") for c in bill["components"]}
    installed = {
        path.name.rsplit("-", 1)[0].removesuffix(".dist").lower().split("-")[0]
        for path in home.rglob("*.dist-info")
    }
    assert installed - named == {"k8s_leader"}
    hashed = [c for c in bill["components"] if c.get("externalReferences")]
    assert len(hashed) == len(installed) - 1
    assert "lib/libc.so.6" in {c["name"] for c in bill["components"]}


def test_the_same_inputs_give_the_same_layer(tree: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "again")
    assert fingerprint(again) == fingerprint(tree)
    assert layer(again) == layer(tree)


def fingerprint(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def layer(root: Path) -> str:
    """
    Return the digest of what an image gets: content, modes, times and links.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(root.rglob("*")):
            archive.add(path, path.relative_to(root), recursive=False)
    return hashlib.sha256(packed.getvalue()).hexdigest()


def test_the_tree_is_as_large_as_the_docs_say_and_fits_the_chart_s_volume(
    tree: Path,
) -> None:
    files = (path for path in tree.rglob("*") if not path.is_symlink())
    size = sum(path.stat().st_size for path in files if path.is_file())
    page = (ROOT / "docs" / "image.md").read_text()
    stated = re.search(r"the tree, on disk \| (\d+) MB", page)
    assert stated
    assert size == pytest.approx(int(stated[1]) * 1e6, rel=0.15)
    values = yaml.safe_load((ROOT / "helm/k8s-leader/values.yaml").read_text())
    limit = int(values["gate"]["sizeLimit"].removesuffix("Mi")) * 2**20
    assert size * 1.15 < limit
