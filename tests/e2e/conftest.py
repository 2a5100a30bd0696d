"""
One engine, one cluster and one set of images for all end-to-end tests.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.kind.cluster import KindCluster
from tests.cluster.kind.engine import Engine
from tests.e2e.administrator import Administrator
from tests.e2e.images import Images
from tests.e2e.release import Release
from tests.e2e.testbed import VARIABLE, Testbed, testbed, why_not
from tests.helpers.go_build import HELM_4
from tests.helpers.helm import Helm

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.e2e.terms import Measured

_numbers = itertools.count(1)
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if _HERE in item.path.parents]
    for item in mine:
        # A cold start builds Kubernetes, and those that must be alone wait until they
        # are; what takes long is bounded one by one.
        item.add_marker(pytest.mark.timeout(1800))
    items.sort(key=lambda item: item in mine and is_alone(item))


def is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@pytest.fixture(scope="session")
def shared() -> Iterator[Testbed]:
    """
    What ``python -m tests.e2e`` made, else one of our own.
    """
    if VARIABLE in os.environ:
        yield Testbed.from_text(os.environ[VARIABLE])
        return
    reason = why_not()
    if reason:
        pytest.skip(f"no end-to-end tests: {reason}")
    with testbed() as made:
        yield made


@pytest.fixture(scope="session")
def engine(shared: Testbed) -> Engine:
    """
    The container engine.
    """
    return shared.engine


@pytest.fixture(scope="session")
def images(shared: Testbed) -> Images:
    """
    Our images, of this very checkout.
    """
    return shared.images


@pytest.fixture(scope="session")
def cluster(shared: Testbed) -> KindCluster:
    """
    A kind cluster of one control plane and two workers that has the images.
    """
    return shared.cluster


@pytest.fixture(scope="session")
def helm(cluster: KindCluster) -> Helm:
    """
    Helm, for this cluster.
    """
    return Helm(program=HELM_4, kubeconfig=cluster.kubeconfig)


@pytest.fixture
def administrator(cluster: KindCluster, tmp_path: Path) -> Administrator:
    """
    The cluster's administrator, asking from this process.
    """
    return Administrator(cluster, tmp_path)


@pytest.fixture
def _turn(cluster: KindCluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """
    Wait until all others are done, for a test that is to be alone.
    """
    with (cluster.folder / "turn").open("w") as file:
        alone = is_alone(request.node)
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@pytest.fixture
def release(
    cluster: KindCluster,
    helm: Helm,
    images: Images,
    request: pytest.FixtureRequest,
    _turn: None,
) -> Iterator[Release]:
    """
    A release that is not installed yet, in a namespace of its own.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    namespace = f"e2e-{worker}-{next(_numbers)}"
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
def measured(request: pytest.FixtureRequest) -> Measured:
    """
    Keep a figure for the end of the run.

    Not by `record_property`: with a report and without workers, as when a failed test
    is run again, it warns of itself.
    """

    def keep(what: str, seconds: float) -> None:
        figure = ("measured", f"{what}: {seconds:.2f} s")
        request.node.user_properties.append(figure)

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("passed", []):
        for name, line in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(f"measured  {line}")


def _tell(release: Release) -> None:
    for words in (
        ("get", "pods,leases", "--output=wide"),
        ("describe", "pods"),
        ("get", "events", "--sort-by=.metadata.creationTimestamp"),
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
