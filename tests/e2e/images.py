"""
The images of the end-to-end tests: our own, and workloads built on it and without it.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.kind.engine import Engine
from tests.cluster.kind.images import build_images
from tests.helpers.go_build import WORKLOAD

__all__ = ["Images", "all_images"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """
    Names of images on the engine.

    Attributes:
        base: the project's image.
        tree: the project's self-contained tree.
        first: a workload built on the project's image.
        second: a later version of it.
        foreign: the same program in an image that holds nothing else.
    """

    base: str
    tree: str
    first: str
    second: str
    foreign: str


def all_images(engine: Engine) -> Images:
    """
    Build what is new of them.
    """
    base, tree = build_images(engine)
    workload = WORKLOAD.build()
    tag = base.rpartition(":")[2]
    copy = "COPY workload /workload\n"
    files = {
        "first": f"FROM {base}\n{copy}ENV RELEASE=1\n",
        "second": f"FROM {base}\n{copy}ENV RELEASE=2\n",
        "foreign": f'FROM scratch\n{copy}USER 1000:1000\nENTRYPOINT ["/workload"]\n',
    }
    names = {kind: f"k8s-leader-test/{kind}:{tag}" for kind in files}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(workload, Path(folder) / "workload")
        for kind, text in files.items():
            (Path(folder) / "Dockerfile").write_text(text)
            engine.docker("build", "--quiet", "--tag", names[kind], folder)
    return Images(base=base, tree=tree, **names)
