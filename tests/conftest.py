"""
What every test runs under: a clean environment, and nothing left behind.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

# The fixtures of the real API server come with its own files.
_PLUGINS = ("tests.helpers.cluster_fixtures",)
pytest_plugins = [name for name in _PLUGINS if importlib.util.find_spec(name)]

_PREFIXES = ("K8S_LEADER_", "LEADER_", "KUBERNETES_")
_NAMES = ("KUBECONFIG", "POD_NAME", "POD_NAMESPACE", "POD_UID")
_skipped: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--forbid-skips",
        action="store_true",
        help="fail when a test is skipped: what was not tested is not green",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_skipped] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        item.config.stash[_skipped].append(item.nodeid)
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    skipped = session.config.stash[_skipped]
    if skipped and session.config.getoption("--forbid-skips") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    skipped = config.stash[_skipped]
    if skipped and config.getoption("--forbid-skips"):
        terminalreporter.write_line(
            f"FAILED: {len(skipped)} tests were skipped, and none may be: "
            + ", ".join(skipped[:5]),
            red=True,
        )


@pytest.fixture(autouse=True)
def clean_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Hide what the machine says about leaders and clusters.
    """
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name in _NAMES:
            monkeypatch.delenv(name)


@pytest.fixture
async def _joined_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)  # a task that is just ending may end
    mine = asyncio.current_task()
    left = [t for t in asyncio.all_tasks() - before if t is not mine and not t.done()]
    assert not left, f"tasks outlive the test: {left}"


@pytest.fixture(autouse=True)
def no_pending_tasks(request: pytest.FixtureRequest) -> None:
    """
    Fail an asynchronous test that leaves a task behind.
    """
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("_joined_tasks")
