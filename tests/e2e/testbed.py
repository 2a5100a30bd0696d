"""
The engine, the images and the cluster of the end-to-end tests.

Made once by ``python -m tests.e2e``, which tells the test processes through `VARIABLE`;
a pytest that is started by hand makes its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.kind.cluster import KindCluster, published_image
from tests.cluster.kind.engine import Engine, PrivateEngine
from tests.cluster.kind.shell import cache, locked, missing_programs
from tests.e2e.images import Images, all_images
from tests.helpers.go_build import KIND, KUBERNETES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["VARIABLE", "Testbed", "testbed", "why_not"]

VARIABLE = "E2E_TESTBED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Testbed:
    """
    What all end-to-end tests of a run share.
    """

    engine: Engine
    images: Images
    cluster: KindCluster

    __test__ = False  # no class of tests

    def to_text(self) -> str:
        """
        Return what another process needs to use this one.
        """
        host = self.engine.environ.get("DOCKER_HOST")
        found = {
            "engine": {"host": host, "sealed": self.engine.sealed},
            "images": dataclasses.asdict(self.images),
            "cluster": {"name": self.cluster.name, "folder": str(self.cluster.folder)},
        }
        return json.dumps(found)

    @classmethod
    def from_text(cls, text: str) -> Testbed:
        """
        Use what another process made.
        """
        found = json.loads(text)
        engine = Engine(**found["engine"])
        name, folder = found["cluster"]["name"], Path(found["cluster"]["folder"])
        return cls(
            engine=engine,
            images=Images(**found["images"]),
            cluster=KindCluster(engine, name=name, folder=folder),
        )


@contextlib.contextmanager
def testbed() -> Iterator[Testbed]:
    """
    Make images and a cluster; take the cluster away, and the engine if it is ours.
    """
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(_engine())
        folder = Path(tempfile.mkdtemp(prefix="k8s-leader-e2e-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = KindCluster(engine, name=f"leader-{os.getpid()}", folder=folder)
        stack.callback(cluster.delete)
        started = time.monotonic()
        with ThreadPoolExecutor(1) as beside:
            made = beside.submit(cluster.create)
            images = all_images(engine)
            made.result()
        cluster.load(*images.in_the_cluster())
        took = time.monotonic() - started
        sys.stderr.write(f"images and a cluster of three nodes: {took:.0f} s\n")
        yield Testbed(engine=engine, images=images, cluster=cluster)


def why_not() -> str | None:
    """
    Return what this machine lacks for a cluster, or None.
    """
    if not (KIND.can_be_had() and KUBERNETES.can_be_had()):
        return "Go 1.24 or newer is missing: https://go.dev/dl"
    if Engine(None, sealed=False).answers():
        return None
    missing = missing_programs()
    if os.geteuid():
        return "no container engine answers, and only root can start a private one"
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        return (
            f"no container engine answers, and for a private one {', '.join(missing)} "
            f"are missing: apt-get install --no-install-recommends {packages}"
        )
    return None


@contextlib.contextmanager
def _engine() -> Iterator[Engine]:
    existing = Engine.existing(published_image())
    if existing:
        yield existing
        return
    with locked(cache("engine") / "lock"):
        private = PrivateEngine()
        try:
            private.start()
            yield private
        finally:
            private.stop()
