"""
Root file systems from Debian packages, cached by what they hold.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.cluster.kind.shell import cache, digest_of, locked, run

__all__ = ["root_file_system"]

SUITE = "bookworm"
_WASTE = (
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/zoneinfo",
    "usr/lib/udev",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
    "etc/machine-id",
    "var/lib/dbus/machine-id",
)


def root_file_system(name: str, *packages: str) -> Path:
    """
    Return a tar file of a minimal Debian with these packages; made once.
    """
    folder = cache("debian")
    target = folder / f"{name}-{digest_of(SUITE, *packages, Path(__file__))}.tar"
    with locked(folder / f"{name}.lock"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                _bootstrap(Path(scratch) / "root", packages)
                _pack(Path(scratch) / "root", target)
    return target


def _bootstrap(root: Path, packages: tuple[str, ...]) -> None:
    mirror = run(
        *("apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {SUITE}")
    ).splitlines()
    command = ["debootstrap", "--variant=minbase"]
    if packages:
        command.append(f"--include={','.join(packages)}")
    run(*command, SUITE, root, *mirror[:1], timeout=900)
    for name in _WASTE:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.unlink(missing_ok=True)


def _pack(root: Path, target: Path) -> None:
    part = target.with_suffix(".part")
    volatile = [f"./{name}/*" for name in ("dev", "proc", "sys", "tmp", "run")]
    left_out = [f"--exclude={pattern}" for pattern in volatile]
    order = ("--sort=name", "--numeric-owner", "--mtime=@0", "--xattrs")
    run("tar", *order, *left_out, "-C", root, "-cf", part, ".")
    part.rename(target)
