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

__all__ = ["IMAGE", "TREE", "build_images", "debian_image"]

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
    inputs = [ROOT / name for name in (*_CONTEXT, *_FOLDERS)]
    digest = digest_of(*inputs, Path(__file__))
    names = f"{IMAGE}:{digest}", f"{TREE}:{digest}"
    if not all(engine.has_image(name) for name in names):
        with tempfile.TemporaryDirectory() as scratch:
            context = Path(scratch)
            _stage(context, engine)
            base = _base_arguments(engine)
            for name, target in zip(names, ("image", "tree"), strict=True):
                words = ("--target", target, "--tag", name, *base, context)
                engine.docker("build", "--quiet", *words, timeout=1200)
    return names


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
    archive = root_file_system("python", "python3", "python3-pip", "binutils", "musl")
    name = f"k8s-leader-test/debian:{archive.stem}"
    if not engine.has_image(name):
        engine.docker("import", archive, name)
    return name


def _base_arguments(engine: Engine) -> list[str]:
    name = debian_image(engine)
    words = ["--build-arg", f"BASE_IMAGE={name}"]
    return [*words, "--build-arg", f"BUILD_IMAGE={name}"] if engine.sealed else words


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
