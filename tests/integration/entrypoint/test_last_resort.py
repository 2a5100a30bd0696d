"""
What happens when the guard itself fails: nothing may run past the grant's end.

A guard that is stopped, killed, or stopped together with all it could be helped by:
the workloads' own time-stamped lines say who ran when.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.candidate import Candidate, Journal, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.slow

FLAGS = (
    *("--lease-duration", "8s"),
    *("--safety-margin", "1s"),
    *("--stop-timeout", "2s"),
)
"""On a busy machine a shorter lease is lost before the fault that is meant."""

INIT = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
"""Makes the command PID 1 of a namespace of its own, as in a container."""


@pytest.fixture
def lease(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/lease.db"


@pytest.fixture(params=["obedient", "daemon"])
def mode(request: pytest.FixtureRequest) -> str:
    """
    How the workload behaves; a daemon leaves its group, session and parent.
    """
    return str(request.param)


@pytest.fixture
def pair(
    lease: str, journal: Journal, lifeline: Lifeline, mode: str
) -> Iterator[tuple[Candidate, Candidate]]:
    """
    A leader, and a standby that has seen it lead.
    """
    lasting: dict[str, Any] = {"lifeline": lifeline, "flags": FLAGS}
    with Candidate(lease, journal, name="a", mode=mode, **lasting) as a:
        wait_until(journal.tokens)
        with Candidate(lease, journal, name="b", **lasting) as b:
            wait_until(lambda: "the leader is" in b.text())
            yield a, b


def _next_leads_alone(b: Candidate, journal: Journal) -> None:
    wait_until(lambda: len(journal.tokens()) == 2, why="the next leads")
    assert b.stop() == 0
    assert journal.most_at_once() == 1


def test_s10_a_guard_that_is_stopped_alone_is_ended_by_the_kernel(
    pair: tuple[Candidate, Candidate], journal: Journal
) -> None:
    a, b = pair
    a.send(signal.SIGSTOP)
    assert a.wait() == -signal.SIGKILL
    _next_leads_alone(b, journal)
    # Its elector may be the last to write.
    told = "its workload is killed, the lease is left to expire"
    wait_until(lambda: told in a.text(), why="its elector says so")


def test_s9_guard_elector_and_workload_stopped_together_do_not_outlive_the_grant(
    pair: tuple[Candidate, Candidate], journal: Journal
) -> None:
    a, b = pair
    elector, workload = a.elector, journal.entries()[-1].pid
    assert elector is not None
    for pid in (workload, elector, a.pid):
        os.kill(pid, signal.SIGSTOP)
    assert a.wait() == -signal.SIGKILL
    _next_leads_alone(b, journal)


def test_a_killed_guard_takes_daemons_along_too(
    pair: tuple[Candidate, Candidate], journal: Journal
) -> None:
    a, b = pair
    a.send(signal.SIGKILL)
    _next_leads_alone(b, journal)


@pytest.mark.parametrize("mode", ["daemon"], indirect=True)
def test_a_killed_guard_with_a_stopped_elector_takes_daemons_along(
    pair: tuple[Candidate, Candidate], journal: Journal
) -> None:
    a, b = pair
    elector = a.elector
    assert elector is not None
    os.kill(elector, signal.SIGSTOP)
    a.send(signal.SIGKILL)
    _next_leads_alone(b, journal)


def test_an_init_that_is_stopped_alone_is_buried_by_its_elector(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    lasting: dict[str, Any] = {"lifeline": lifeline, "flags": FLAGS}
    wrapped = Candidate(lease, journal, name="a", mode="daemon", prefix=INIT, **lasting)
    with wrapped as a:
        wait_until(journal.tokens, why="it leads")
        with Candidate(lease, journal, name="b", **lasting) as b:
            wait_until(lambda: "the leader is" in b.text(), why="the other waits")
            assert a.leads(journal), "the machine is too busy for this lease"
            a.send(signal.SIGSTOP)
            silent = "the guard does not answer"
            wait_until(lambda: silent in a.text(), why="the elector notices")
            _next_leads_alone(b, journal)
        assert "the lease is released" not in a.text()
        a.send(signal.SIGCONT)
