"""
One engine, one cluster and one set of images for all end-to-end tests.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.kind.cluster import KindCluster, published_image
from tests.cluster.kind.engine import Engine, PrivateEngine
from tests.cluster.kind.shell import cache, locked, missing_programs
from tests.e2e.images import Images, all_images
from tests.e2e.release import Release
from tests.helpers.go_build import HELM_4, KIND, KUBERNETES
from tests.helpers.helm import Helm

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_numbers = itertools.count(1)
_HERE = Path(__file__).parent
_measured: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            # A cold start builds Kubernetes; what takes long is bounded one by one.
            item.add_marker(pytest.mark.timeout(1800))


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


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """
    The container engine; a private one is stopped at the end.
    """
    reason = why_not()
    if reason:
        if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
            pytest.fail(f"no end-to-end tests: {reason}", pytrace=False)
        pytest.skip(f"no end-to-end tests: {reason}")
    existing = Engine.existing(published_image())
    if existing:
        yield existing
        return
    with locked(cache("engine") / "lock"):
        private = PrivateEngine()
        private.start()
        try:
            yield private
        finally:
            private.stop()


@pytest.fixture(scope="session")
def images(engine: Engine) -> Images:
    """
    Our images, of this very checkout.
    """
    return all_images(engine)


@pytest.fixture(scope="session")
def cluster(engine: Engine, images: Images) -> Iterator[KindCluster]:
    """
    A kind cluster of one control plane and two workers that has the images.
    """
    folder = Path(tempfile.mkdtemp(prefix="k8s-leader-e2e-"))
    made = KindCluster(engine, name=f"leader-{os.getpid()}", folder=folder)
    try:
        made.create()
        made.load(images.first, images.second, images.foreign, images.tree)
        yield made
    finally:
        made.delete()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def helm(cluster: KindCluster) -> Helm:
    """
    Helm, for this cluster.
    """
    return Helm(program=HELM_4, kubeconfig=cluster.kubeconfig)


@pytest.fixture
def release(
    cluster: KindCluster, helm: Helm, images: Images, request: pytest.FixtureRequest
) -> Iterator[Release]:
    """
    A release that is not installed yet, in a namespace of its own.
    """
    namespace = f"e2e-{next(_numbers)}"
    made = Release(cluster, helm=helm, namespace=namespace, image=images.first)
    yield made
    failed = getattr(request.node, "rep_call", None)
    if failed is not None and failed.failed:
        _tell(made)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false", check=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    setattr(item, f"rep_{report.when}", report)
    return report


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """
    Keep a figure for the end of the run.
    """

    def keep(what: str, seconds: float) -> None:
        kept = request.config.stash.setdefault(_measured, [])
        kept.append(f"{what}: {seconds:.2f} s")

    return keep


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(_measured, []):
        terminalreporter.write_line(f"measured  {line}")
    skipped = terminalreporter.stats.get("skipped", [])
    told = [r for r in skipped if "no end-to-end tests" in str(r.longrepr)]
    if told:
        terminalreporter.write_line(
            f"!! NOT TESTED: {len(told)} end-to-end tests. {told[0].longrepr[2]}",
            red=True,
            bold=True,
        )


def _tell(release: Release) -> None:
    for words in (
        ("get", "pods,leases", "--output=wide"),
        ("describe", "pods"),
        ("get", "lease", "--output=yaml"),
        (
            "logs",
            "--selector=app.kubernetes.io/name=k8s-leader",
            "--prefix",
            "--tail=40",
        ),
    ):
        said = release.cluster.kubectl(
            "--namespace", release.namespace, *words, check=False
        )
        sys.stderr.write(said[-6000:])
