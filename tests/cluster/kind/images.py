"""
The project's own images, built on the engine at hand.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from pathlib import Path

from tests.cluster.kind.debian import root_file_system
from tests.cluster.kind.engine import Engine
from tests.cluster.kind.shell import cache, digest_of, run

__all__ = ["IMAGE", "TREE", "build_images", "build_on", "debian_image"]

ROOT = Path(__file__).resolve().parents[3]
IMAGE = "k8s-leader-test/image"
TREE = "k8s-leader-test/tree"
# The Debian release's own Python: what the wheels must fit.
_PYTHON = "3.11"
_CONTEXT = ("Dockerfile", "LICENSE", "README.md", "pyproject.toml")
_FOLDERS = ("requirements", "image", "k8s_leader")


def build_images(engine: Engine) -> tuple[str, str]:
    """
    Return the names of the image and of the tree of this checkout, built if new.

    On a private engine the base image is made from Debian packages, and the wheels
    come with the build's context, since nothing can be fetched inside the build.
    """
    names = f"{IMAGE}:{_digest()}", f"{TREE}:{_digest()}"
    base = debian_image(engine)
    for name, target in zip(names, ("image", "tree"), strict=True):
        _build(engine, name, target=target, base=base)
    return names


def build_on(engine: Engine, base: str) -> str:
    """
    Return the name of the image of this checkout on another base, built if new.
    """
    kind = base.rpartition(":")[0].rpartition("/")[2]
    identity = engine.docker("images", "--quiet", base)
    name = f"k8s-leader-test/on-{kind}:{digest_of(_digest(), identity)}"
    _build(engine, name, target="image", base=base)
    return name


def _digest() -> str:
    inputs = [ROOT / name for name in (*_CONTEXT, *_FOLDERS)]
    return digest_of(*inputs, Path(__file__))


def _build(engine: Engine, name: str, *, target: str, base: str) -> None:
    if engine.has_image(name):
        return
    words = ["--target", target, "--tag", name, "--build-arg", f"BASE_IMAGE={base}"]
    if engine.sealed:
        words += ["--build-arg", f"BUILD_IMAGE={debian_image(engine)}"]
    with tempfile.TemporaryDirectory() as context:
        _stage(Path(context), engine)
        engine.docker("build", "--quiet", *words, context, timeout=1200)


def _stage(context: Path, engine: Engine) -> None:
    for name in _CONTEXT:
        shutil.copy(ROOT / name, context)
    for name in _FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", "wheels")
        shutil.copytree(ROOT / name, context / name, ignore=ignored)
    if engine.sealed:
        shutil.copytree(_wheels(), context / "image" / "wheels")


def debian_image(engine: Engine) -> str:
    """
    Return an image of Debian with Python: pulled, or made from packages.
    """
    if not engine.sealed:
        return "python:3.13-slim-trixie"
    programs = ("python3", "python3-pip", "binutils", "musl", "busybox-static")
    archive = root_file_system("python", *programs)
    name = f"k8s-leader-test/debian:{archive.stem}"
    if not engine.has_image(name):
        engine.docker("import", archive, name)
    return name


def _wheels() -> Path:
    pins = [ROOT / "requirements" / f"{name}.txt" for name in ("image", "image-build")]
    folder = cache("wheels") / f"{_PYTHON}-{digest_of(*pins)}"
    if not folder.exists():
        machine = platform.machine()
        tags = [f"manylinux{one}_{machine}" for one in ("2014", "_2_17", "_2_28")]
        words = ["--python-version", _PYTHON, "--implementation", "cp", "--no-deps"]
        for tag in tags:
            words += ["--platform", tag]
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            part = Path(scratch) / "wheels"
            for path in pins:
                source = ("--require-hashes", "--requirement", path, "--dest", part)
                binaries = ("--only-binary", ":all:", *words, *source)
                run(sys.executable, "-m", "pip", "--quiet", "download", *binaries)
            part.rename(folder)
    return folder
