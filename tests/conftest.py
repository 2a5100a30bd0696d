"""
What every test runs under: a clean environment, and nothing left behind.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
import signal
import time
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.helpers.rings import note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The fixtures of the real API server come with its own files.
_PLUGINS = ("tests.helpers.cluster_fixtures",)
pytest_plugins = [name for name in _PLUGINS if importlib.util.find_spec(name)]

_PREFIXES = ("K8S_LEADER_", "LEADER_", "KUBERNETES_")
_NAMES = ("KUBECONFIG", "POD_NAME", "POD_NAMESPACE", "POD_UID")


# A checkout's first draw looks at all modules: ten seconds, thirty on a busy machine,
# which is no failure.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


class _Ring:
    """
    Counts what ran, on the process that hears of every test: xdist's too.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._began = time.monotonic()
        self._counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
        self._skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._counts[report.outcome] += 1
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        note(**self._counts, seconds=time.monotonic() - self._began)
        if self._skipped and self._forbidden and exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        if self._skipped and self._forbidden:
            terminalreporter.write_line(
                f"FAILED: {len(self._skipped)} tests were skipped, and none may be: "
                + ", ".join(self._skipped[:5]),
                red=True,
            )

    @property
    def _forbidden(self) -> bool:
        return bool(self._config.getoption("--forbid-skips"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--forbid-skips",
        action="store_true",
        help="fail when a test is skipped: what was not tested is not green",
    )


def pytest_configure(config: pytest.Config) -> None:
    _take_signals_back()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Ring(config), "ring")


def _take_signals_back() -> None:
    """
    Start every program of the tests as a terminal would, however we were started.

    A shell's background jobs, and many a runner, ignore SIGINT and SIGQUIT or block
    others; that is inherited, and no business of a test.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            is_int = number == signal.SIGINT
            handler = signal.default_int_handler if is_int else signal.SIG_DFL
            signal.signal(number, handler)


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
