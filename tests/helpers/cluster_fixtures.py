"""
Pytest plugin: the real API server for tests marked ``kube``.

One server per pytest process (so one per xdist worker), started by the first test
that asks for it. The binary is built before the first test, outside any time-out.
Where it can be neither built nor found, the tests are skipped and one loud line at
the end says what was not tested; with ``CI=true`` they fail instead.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.cluster import ApiServer
from tests.helpers.go_build import CLUSTER, PEERS, GoBuildError, NoGoError
from tests.helpers.lifeline import Lifeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REASON = "no real kube-apiserver: neither Go nor a binary built before"
_IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def pytest_collection_finish(session: pytest.Session) -> None:
    config = session.config
    wanted = [item for item in session.items if item.get_closest_marker("kube")]
    if wanted and not config.option.collectonly:
        _build_all(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kube") and not CLUSTER.can_be_had():
        if _IN_CI:
            pytest.fail(_REASON, pytrace=False)
        pytest.skip(_REASON)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missed = [
        report
        for outcome in ("skipped", "failed", "error")
        for report in terminalreporter.stats.get(outcome, [])
        if _REASON in str(getattr(report, "longrepr", ""))
    ]
    if missed:
        terminalreporter.write_line(
            f"!! NOT TESTED: {len(missed)} tests against a real kube-apiserver. "
            "Put Go >= 1.24 on the PATH and run again (built once, some minutes).",
            red=True,
            bold=True,
        )


@pytest.fixture(scope="session")
def lifeline() -> Iterator[Lifeline]:
    """
    What is tied to it dies with the test run, however that ends.
    """
    with Lifeline() as line:
        yield line


@pytest.fixture(scope="session")
def cluster_binary() -> Path:
    """
    The multi-call binary of kube-apiserver and etcd.
    """
    return CLUSTER.build()


@pytest.fixture(scope="session")
def api_server(cluster_binary: Path) -> Iterator[ApiServer]:
    """
    The API server of this test process. Leave it running and thawed.
    """
    with ApiServer(cluster_binary) as server:
        yield server


@pytest.fixture
def own_api_server(cluster_binary: Path) -> Iterator[ApiServer]:
    """
    An API server of one test alone, for outages and restarts (1 to 3 s).
    """
    with ApiServer(cluster_binary) as server:
        yield server


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """
    A namespace of `api_server` that no other test uses.
    """
    return api_server.create_namespace()


def _build_all(config: pytest.Config) -> None:
    capture = config.pluginmanager.getplugin("capturemanager")
    open_air = (
        capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
    )
    with open_air:
        for program in (CLUSTER, PEERS):
            if not program.source.joinpath("go.mod").exists():
                continue
            try:
                program.build(progress=lambda line: print(line, file=sys.stderr))
            except NoGoError:
                continue  # the tests say so
            except GoBuildError as error:
                raise pytest.UsageError(str(error)) from error
