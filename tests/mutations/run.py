"""
Puts one mutation into a copy of the repository and runs the tests that must fail of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.mutations.table import Mutation

__all__ = ["ROOT", "is_found", "mutate", "passes_unharmed"]

ROOT = Path(__file__).parents[2]
_COPIED = ("k8s_leader", "tests", "pyproject.toml")
_FAILED = 1
"""What pytest exits with when tests failed, and for no other reason."""


def passes_unharmed(tests: Iterable[str], folder: Path) -> tuple[bool, str]:
    """
    Run tests in an unharmed copy below ``folder``; return whether all passed.

    Where they cannot run they would "find" every mutation.
    """
    _copy_all(folder)
    run = _run(tests, folder)
    return run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]


def mutate(mutation: Mutation, root: Path) -> None:
    """
    Plant the fault below ``root``.

    Raises:
        LookupError: the text is not there exactly once: the table is out of date.
    """
    file = root / mutation.file
    text = file.read_text()
    if text.count(mutation.before) != 1:
        raise LookupError(f"{mutation.file}: {mutation.before!r} is not there once")
    file.write_text(text.replace(mutation.before, mutation.after))


def is_found(mutation: Mutation, folder: Path) -> tuple[bool, str]:
    """
    Tell whether the tests fail of the mutation, and what they printed.
    """
    _copy_all(folder)
    mutate(mutation, folder)
    run = _run(mutation.tests, folder)
    return run.returncode == _FAILED, run.stdout[-3000:] + run.stderr[-1000:]


def _run(tests: Iterable[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    environ.pop("RINGS", None)
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*argv, *tests],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _copy_all(folder: Path) -> None:
    for name in _COPIED:
        _copy(ROOT / name, folder / name)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, ignore=skipped)
    else:
        shutil.copy(source, target)
