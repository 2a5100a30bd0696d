"""
Run programs of the machine, and say what is missing before it is missed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["CommandError", "cache", "digest_of", "locked", "missing_programs", "run"]

# program -> Debian package: what a private engine and an own node image take.
PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "debootstrap": "debootstrap",
    "docker": "docker.io",
    "dockerd": "docker.io",
    "ip": "iproute2",
    "iptables": "iptables",
    "runc": "runc",
}
_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"


class CommandError(RuntimeError):
    """
    A program failed; its output is the message.
    """


def which(name: str) -> str | None:
    """
    Find a program, also where only root's PATH looks.
    """
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM}")


def missing_programs() -> dict[str, str]:
    """
    Return the programs that are not there, with their Debian packages.
    """
    return {name: package for name, package in PACKAGES.items() if not which(name)}


def run(
    *command: object,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 600,
    check: bool = True,
    cwd: Path | None = None,
) -> str:
    """
    Run a program to its end and return its output.

    Raises:
        CommandError: it failed, and `check` is true; or it took longer.
    """
    words = [str(word) for word in command]
    words[0] = which(words[0]) or words[0]
    environ = {**os.environ, **(env or {})}
    environ["PATH"] = f"{environ.get('PATH', '')}:{_SYSTEM}"
    try:
        done = subprocess.run(
            words,
            input=stdin,
            env=environ,
            cwd=cwd,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(words)}: not done in {timeout:.0f} s") from error
    if check and done.returncode:
        said = (done.stdout + done.stderr)[-4000:]
        raise CommandError(f"{' '.join(words)}: status {done.returncode}\n{said}")
    return done.stdout


def cache(*names: str) -> Path:
    """
    Return a folder that survives the checkout.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base, "k8s-leader", *names)
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest_of(*parts: str | Path) -> str:
    """
    Return one short hash of texts, files and whole folders.
    """
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(f"text {part}\0".encode())
            continue
        files = sorted(part.rglob("*")) if part.is_dir() else [part]
        for path in files:
            if path.is_file() and "__pycache__" not in path.parts:
                content = path.read_bytes()
                found.update(f"{path.name} {len(content)}\0".encode())
                found.update(content)
    return found.hexdigest()[:20]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """
    Hold a file lock: one at a time on this machine.
    """
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
