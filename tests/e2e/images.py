"""
The images of the end-to-end tests: our own, and workloads built on it and without it.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.kind.engine import Engine
from tests.cluster.kind.images import build_images, build_on, debian_image
from tests.helpers.go_build import WORKLOAD, WORKLOAD_GLIBC, WORKLOAD_MUSL

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
        scratch: the same program in an image that holds nothing else.
        glibc: the same, linked to a C library that is there without a shell.
        musl: the same, linked to musl, which is all that is there (on a sealed engine).
        busybox: the same beside a static busybox as its shell.
        on_musl: the project's image with the musl image as its base.
        on_busybox: the project's image with the busybox image as its base.
    """

    base: str
    tree: str
    first: str
    second: str
    scratch: str
    glibc: str
    musl: str
    busybox: str
    on_musl: str
    on_busybox: str

    def in_the_cluster(self) -> tuple[str, ...]:
        """
        Return those that run on the nodes.
        """
        return dataclasses.astuple(self)


def all_images(engine: Engine) -> Images:
    """
    Build what is new of them.
    """
    base, tree = build_images(engine)
    debian = debian_image(engine)
    tag = base.rpartition(":")[2]
    files = {
        "first": _on(base, "ENV RELEASE=1"),
        "second": _on(base, "ENV RELEASE=2"),
        "scratch": _on("scratch", "USER 1000:1000", 'ENTRYPOINT ["/workload"]'),
        "glibc": _with_libraries(debian, "/lib64/ld-linux-x86-64.so.2", _LIBC),
        "musl": _with_libraries(debian, "/lib/ld-musl-x86_64.so.1")
        if engine.sealed
        else _on("alpine:3.22"),
        "busybox": _with_busybox(debian) if engine.sealed else _on("busybox:1.37"),
    }
    programs = {"glibc": WORKLOAD_GLIBC, "musl": WORKLOAD_MUSL}
    names = {kind: f"k8s-leader-test/{kind}:{tag}" for kind in files}
    for kind, text in files.items():
        with tempfile.TemporaryDirectory() as folder:
            program = programs.get(kind, WORKLOAD).build()
            shutil.copy(program, Path(folder) / "workload")
            (Path(folder) / "Dockerfile").write_text(text)
            engine.docker("build", "--quiet", "--tag", names[kind], folder)
    more = {f"on_{kind}": build_on(engine, names[kind]) for kind in ("musl", "busybox")}
    return Images(base=base, tree=tree, **names, **more)


_LIBC = "/lib/x86_64-linux-gnu/libc.so.6"


def _on(base: str, *more: str) -> str:
    return "\n".join([f"FROM {base}", "COPY workload /workload", *more, ""])


def _with_libraries(debian: str, *files: str) -> str:
    copies = [f"COPY --from=debian {name} {name}" for name in files]
    return f"FROM {debian} AS debian\n" + _on("scratch", *copies, "USER 1000:1000")


def _with_busybox(debian: str) -> str:
    shell = "COPY --from=debian /bin/busybox /bin/sh"
    return f"FROM {debian} AS debian\n" + _on("scratch", shell, "USER 1000:1000")
