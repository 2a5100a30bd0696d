"""
Make a virtual environment with pinned packages and this checkout in it.

``env.py NAME`` with NAME one of ``demo`` (.venv-demo), ``dev`` (.venv) or ``lowest``
(.venv-lowest). Does nothing when the pins and pyproject.toml have not changed.
Standard library only: any Python from 3.11 on runs it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {
    "demo": (".venv-demo", "runtime.txt"),
    "dev": (".venv", "dev.txt"),
    "lowest": (".venv-lowest", "lowest.txt"),
}
# How pip reaches its index is the machine's business; everything else that a machine
# may set for pip (another target, other links, no binaries) must not change the result.
PIP_KEPT = {
    "PIP_CACHE_DIR",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_INDEX_URL",
    "PIP_KEYRING_PROVIDER",
    "PIP_PROXY",
    "PIP_RETRIES",
    "PIP_TIMEOUT",
    "PIP_TRUSTED_HOST",
}


def clean_environ() -> dict[str, str]:
    """
    Return the environment without what would bend pip or Python.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON")) or name in PIP_KEPT
    }
    for name in ("VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        kept.pop(name, None)
    kept["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    kept["PIP_NO_INPUT"] = "1"
    kept["PIP_ROOT_USER_ACTION"] = "ignore"
    return kept


def digest(pins: Path) -> str:
    """
    Return what the environment depends on, as one hash.
    """
    found = hashlib.sha256()
    for path in (pins, ROOT / "pyproject.toml", Path(__file__)):
        found.update(path.read_bytes())
    return found.hexdigest()


def interpreter_works(python: Path) -> bool:
    """
    Tell whether an environment found here is whole and new enough.
    """
    code = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        done = subprocess.run(
            [python, "-I", "-c", code], check=False, capture_output=True
        )
    except OSError:
        return False
    return done.returncode == 0


def pip(python: Path, *args: str) -> None:
    """
    Run pip in the environment; its failure ends this program.
    """
    command = [str(python), "-I", "-m", "pip", "--quiet", *args]
    done = subprocess.run(command, cwd=ROOT, env=clean_environ(), check=False)
    if done.returncode:
        sys.exit(f"failed ({done.returncode}): pip {' '.join(args)}")


def ensure(name: str) -> Path:
    """
    Make or update the environment; return its interpreter.
    """
    folder, pins = ROOT / KINDS[name][0], ROOT / "requirements" / KINDS[name][1]
    python, stamp = folder / "bin" / "python", folder / "k8s-leader.stamp"
    wanted = digest(pins)
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    if not interpreter_works(python):
        print(f"making {folder.name} with Python {sys.version.split()[0]}", flush=True)
        venv.EnvBuilder(clear=True, with_pip=True, symlinks=True).create(folder)
    print(f"installing requirements/{pins.name} into {folder.name}", flush=True)
    pip(python, "install", "--require-hashes", "--no-deps", "-r", str(pins))
    pip(python, "install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    stamp.write_text(wanted)
    return python


def main() -> None:
    """
    Read the name, and hold a lock so that two makes at once do not collide.
    """
    if len(sys.argv) != 2 or sys.argv[1] not in KINDS:  # noqa: PLR2004  # one name
        sys.exit(f"usage: env.py {'|'.join(KINDS)}")
    with (ROOT / f"{KINDS[sys.argv[1]][0]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure(sys.argv[1])


if __name__ == "__main__":
    main()
