"""
Container images without a builder: an archive of one layer that containerd imports.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from tests.cluster.kind.shell import run

__all__ = ["write_archive"]


def write_archive(
    target: Path, *, root: Path, names: list[str], entrypoint: list[str] | None = None
) -> Path:
    """
    Write the files below `root` as one image with these names; return the archive.
    """
    layer, packed = target.with_suffix(".layer"), target.with_suffix(".layer.gz")
    order = ("--sort=name", "--numeric-owner", "--mtime=@0", "-C", root)
    run("tar", *order, "-cf", layer, ".")
    diff = _digest(layer)
    run("gzip", "-n", "-1", "--force", layer)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": entrypoint,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
    }
    text = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": names, "Layers": [f"{diff}/layer.tar"]}]
    with tarfile.open(target, "w") as archive:
        _add(archive, "manifest.json", json.dumps(manifest).encode())
        _add(archive, name, text)
        archive.add(packed, arcname=f"{diff}/layer.tar")
    packed.unlink()
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
