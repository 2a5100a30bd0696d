"""
What happens when the guard itself fails: nothing may run past the grant's end.

A guard that is stopped, killed, or stopped together with all it could be helped by:
the workloads' own time-stamped lines say who ran when.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import Candidate, Journal, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.slow

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
    with Candidate(lease, journal, name="a", lifeline=lifeline, mode=mode) as a:
        wait_until(journal.tokens)
        with Candidate(lease, journal, name="b", lifeline=lifeline) as b:
            wait_until(lambda: "the leader is" in b.text())
            yield a, b


def _next_leads_alone(b: Candidate, journal: Journal) -> None:
    wait_until(lambda: len(journal.tokens()) == 2)
    assert b.stop() == 0
    assert journal.most_at_once() == 1


def test_s10_a_guard_that_is_stopped_alone_is_ended_by_the_kernel(
    pair: tuple[Candidate, Candidate], journal: Journal
) -> None:
    a, b = pair
    a.send(signal.SIGSTOP)
    assert a.wait() == -signal.SIGKILL
    _next_leads_alone(b, journal)
    assert "its workload is killed, the lease is left to expire" in a.text()


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
    wrapped = Candidate(
        lease, journal, name="a", lifeline=lifeline, mode="daemon", prefix=INIT
    )
    with wrapped as a:
        wait_until(journal.tokens)
        with Candidate(lease, journal, name="b", lifeline=lifeline) as b:
            wait_until(lambda: "the leader is" in b.text())
            a.send(signal.SIGSTOP)
            wait_until(lambda: "the guard does not answer" in a.text())
            _next_leads_alone(b, journal)
        assert "the lease is released" not in a.text()
        a.send(signal.SIGCONT)
