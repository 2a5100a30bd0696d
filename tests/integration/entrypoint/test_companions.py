"""
What runs beside the workload: the standby command, hooks, and health checks.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from k8s_leader.guard.descent import state
from tests.helpers.candidate import SHORT, Candidate, Journal, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.slow

_STANDBY = (
    "import os, signal, sys, time; "
    "signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[2] == 'stubborn' "
    "else lambda *_: os._exit(0)); "
    "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(600)"
)


@pytest.fixture
def lease(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/lease.db"


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _standby(path: Path, mode: str) -> tuple[str, str]:
    return (
        "--standby-command",
        f'{sys.executable} -I -S -c "{_STANDBY}" {path} {mode}',
    )


@pytest.mark.parametrize("mode", ["obedient", "stubborn"])
def test_s15_the_standby_command_is_gone_before_the_workload_starts(
    lease: str, journal: Journal, lifeline: Lifeline, tmp_path: Path, mode: str
) -> None:
    runs = tmp_path / "standby"
    flags = (*SHORT, *_standby(runs, mode))
    with Candidate(lease, journal, name="a", lifeline=lifeline) as a:
        wait_until(journal.tokens)
        with Candidate(lease, journal, name="b", lifeline=lifeline, flags=flags) as b:
            wait_until(lambda: _lines(runs))
            standby = int(_lines(runs)[0])
            a.stop()
            wait_until(lambda: b.leads(journal))
            assert state(standby) == ""
            assert b.stop() == 0
    assert len(_lines(runs)) == 1


def test_the_standby_command_comes_back_after_a_term_and_ends_with_the_guard(
    lease: str, journal: Journal, lifeline: Lifeline, tmp_path: Path
) -> None:
    runs = tmp_path / "standby"
    standby = _standby(runs, "obedient")
    flags = (*SHORT, *standby, "--on-exit", "release", "--retry-period", "1s")
    with Candidate(
        lease, journal, name="a", lifeline=lifeline, flags=flags, mode="brief"
    ) as a:
        wait_until(lambda: len(_lines(runs)) >= 2)
        a.stop()
    assert all(state(int(pid)) == "" for pid in _lines(runs))


def test_hooks_run_with_the_terms_environment_and_cannot_hold_it_up(
    lease: str, journal: Journal, lifeline: Lifeline, tmp_path: Path
) -> None:
    told = tmp_path / "hooks"
    flags = (
        *SHORT,
        *("--on-started-leading", f"sh -c 'echo up $LEADER_FENCING_TOKEN >> {told}'"),
        *("--on-stopped-leading", f"sh -c 'echo down >> {told}; sleep 60'"),
        *("--hook-timeout", "3s"),
    )
    with Candidate(lease, journal, name="a", lifeline=lifeline, flags=flags) as a:
        wait_until(lambda: _lines(told))
        with Candidate(lease, journal, name="b", lifeline=lifeline) as b:
            wait_until(lambda: "the leader is" in b.text())
            a.send(signal.SIGTERM)
            wait_until(lambda: len(journal.tokens()) == 2)
            assert a.wait() == 0
            b.stop()
    assert _lines(told) == ["up 1", "down"]
    assert "the hook on-stopped-leading failed" in a.text()
    assert "took longer than 3 s" in a.text()


def test_a_hook_that_cannot_be_run_is_a_warning(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    flags = (*SHORT, "--on-started-leading", "/nonexistent/hook")
    with Candidate(lease, journal, name="a", lifeline=lifeline, flags=flags) as a:
        wait_until(lambda: "the hook on-started-leading failed" in a.text())
        wait_until(journal.tokens)
        assert a.stop() == 0


@pytest.mark.parametrize("kind", ["exec", "http", "file"])
def test_an_unhealthy_leader_gives_the_lease_to_another_and_stays_out(
    lease: str, journal: Journal, lifeline: Lifeline, tmp_path: Path, kind: str
) -> None:
    check = {
        "exec": ("--health-exec", "false"),
        "http": ("--health-http", "http://127.0.0.1:1/healthz"),
        "file": ("--health-file", str(tmp_path / "missing")),
    }[kind]
    pace = ("--health-every", "200ms", "--health-failures", "2")
    flags = (*SHORT, *check, *pace, "--unhealthy-backoff", "1m")
    with Candidate(lease, journal, name="a", lifeline=lifeline, flags=flags) as a:
        wait_until(journal.tokens)
        with Candidate(lease, journal, name="b", lifeline=lifeline) as b:
            wait_until(lambda: b.leads(journal))
            assert "staying out for 60 s" in a.text()
            assert a.stop() == 0
            b.stop()
    assert len(journal.tokens()) == 2
    assert journal.most_at_once() == 1


def test_a_healthy_leader_is_left_alone_and_a_lonely_ill_one_campaigns_again(
    lease: str, journal: Journal, lifeline: Lifeline, tmp_path: Path
) -> None:
    ill = tmp_path / "ill"
    looks = tmp_path / "looks"
    check = f"sh -c 'echo >> {looks}; test ! -e {ill}'"
    pace = ("--health-every", "100ms", "--health-failures", "1")
    flags = (*SHORT, "--health-exec", check, *pace, "--unhealthy-backoff", "500ms")
    with Candidate(lease, journal, name="a", lifeline=lifeline, flags=flags) as a:
        wait_until(lambda: len(_lines(looks)) >= 5)
        assert len(journal.tokens()) == 1
        ill.touch()
        wait_until(lambda: len(journal.tokens()) >= 3)
        assert "staying out for 1 s" in a.text()
        ill.unlink()
        assert a.stop() == 0
