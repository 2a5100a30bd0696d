"""
The elector that `run` starts before it has checked anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8s_leader import cli
from k8s_leader.cli import become, early, main
from k8s_leader.cli.early import EarlyElector, likely_store, start_early
from k8s_leader.errors import LeaderError
from tests.helpers.fresh import answer_of

ON_CLUSTER = ["--lease", "reports", "--", "true"]


@pytest.mark.parametrize(
    ("argv", "environ", "store"),
    [
        (ON_CLUSTER, {}, "kubernetes"),
        (["--", "true"], {"K8S_LEADER_LEASE": "reports"}, "kubernetes"),
        (["--lease=sqlite:/a", "--", "true"], {}, "sqlite"),
        (["--", "true"], {"K8S_LEADER_LEASE": "sqlite:/a"}, "sqlite"),
        (["--lease", "x", "--", "sqlite:/a", "--help"], {}, "kubernetes"),
        (ON_CLUSTER, {"K8S_LEADER_DISABLED": "false"}, "kubernetes"),
        (ON_CLUSTER, {"K8S_LEADER_DISABLED": "true"}, None),
        (["--disabled", *ON_CLUSTER], {}, None),
        (["--help", *ON_CLUSTER], {}, None),
        (["--lease", "reports"], {}, None),
    ],
)
def test_the_store_is_guessed_from_unchecked_words(
    argv: list[str], environ: dict[str, str], store: str | None
) -> None:
    assert likely_store(argv, environ) == store


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EarlyElector]:
    """
    Start a process that waits as an elector does.
    """
    code = "import sys, socket; socket.socket(fileno=int(sys.argv[2])).recv(1)"
    argv = [sys.executable, "-I", "-S", "-c", code]
    monkeypatch.setattr(early, "elector_argv", lambda: argv)
    started = start_early(ON_CLUSTER, os.environ)
    assert started is not None
    yield started
    started.abandon()


def is_there(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_an_abandoned_elector_is_killed_and_reaped(waiting: EarlyElector) -> None:
    pid, end = waiting.handed_on
    assert os.getpgid(pid) == pid
    assert os.get_inheritable(end)
    waiting.abandon()
    assert not is_there(pid)
    for fd in (end, waiting.config_fd):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    waiting.abandon()


def test_the_guard_is_handed_an_elector_that_loads_its_store(
    waiting: EarlyElector, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[dict[str, Any]] = []

    def execve(_path: str, argv: list[str], _environ: object) -> None:
        fd = int(argv[4])
        handed.append(json.loads(os.pread(fd, 1000, 0)))
        if fd != waiting.config_fd:
            os.close(fd)
        raise OSError(2, "no such file")

    monkeypatch.setattr("os.execve", execve)
    for store in ("kubernetes", "sqlite"):
        assert is_there(waiting.handed_on[0])
        with pytest.raises(LeaderError, match="cannot start"):
            become.become_guard({"elector": {"store": store}}, waiting)
    assert handed[0]["early"] == list(waiting.handed_on)
    assert handed[1] == {"elector": {"store": "sqlite"}}
    assert not is_there(waiting.handed_on[0])


@pytest.mark.parametrize(
    ("flags", "status"), [(["--lease", "Wrong_Name"], 78), (["--disabled"], 0)]
)
def test_a_start_that_comes_to_nothing_leaves_no_process(
    waiting: EarlyElector,
    started: list[object],
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    status: int,
) -> None:
    monkeypatch.setattr(cli, "start_early", lambda _argv, _environ: waiting)
    monkeypatch.setattr(sys, "argv", ["k8s-leader", "run", *flags, "--", "true"])
    assert main() == status
    assert started == ([["true"]] if status == 0 else [])
    assert not is_there(waiting.handed_on[0])


def test_where_the_end_of_a_child_is_not_told_none_is_started_early() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert start_early(ON_CLUSTER, os.environ) is None
    finally:
        signal.signal(signal.SIGCHLD, before)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_without_a_process_for_it_the_guard_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(early, "elector_argv", lambda: ["/nowhere/python"])
    before = descriptors()
    assert start_early(ON_CLUSTER, os.environ) is None
    assert descriptors() == before


def test_without_descriptors_for_it_none_is_left_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    What is open and inheritable here ends up in the workload.
    """

    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("_socket.socketpair", refuse)
    before = descriptors()
    assert start_early(ON_CLUSTER, os.environ) is None
    assert descriptors() == before


def test_an_early_elector_waits_for_next_to_nothing() -> None:
    """
    All that is imported up to there delays every first acquisition.
    """
    found = answer_of(
        "import sys\n"
        "from k8s_leader import cli\n"
        "def spy(_argv, _environ):\n"
        "    found = sorted(sys.modules)\n"
        "    import json\n"
        "    print(json.dumps({'modules': found}))\n"
        "    sys.exit()\n"
        "cli.start_early = spy\n"
        "sys.argv = ['k8s-leader', 'run', '--lease', 'x', '--', 'true']\n"
        "cli.main()\n",
        measured=False,
    )
    ours = {"cli", "cli.early", "errors"}
    loaded = {name for name in found["modules"] if name.startswith("k8s_leader.")}
    assert loaded == {f"k8s_leader.{name}" for name in ours}
    dear = {"argparse", "ast", "dataclasses", "inspect", "json", "subprocess", "typing"}
    assert dear & set(found["modules"]) == set()
