"""
`k8s-leader run` on a SQLite lease: real processes, real signals, no cluster.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from k8s_leader.leases.sqlite import glance
from tests.helpers.candidate import SHORT, Candidate, Journal, boot_time, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.slow


@pytest.fixture
def lease(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/lease.db"


def test_a_stopped_leader_hands_over_at_once_and_releases(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    with (
        Candidate(lease, journal, name="a", lifeline=lifeline) as a,
        Candidate(lease, journal, name="b", lifeline=lifeline) as b,
    ):
        wait_until(journal.tokens)
        leader, other = (a, b) if a.leads(journal) else (b, a)
        wait_until(lambda: "the leader is" in other.text())
        assert leader.stop() == 0
        wait_until(lambda: len(journal.tokens()) == 2)
        first, second = journal.tokens()
        start = next(e.at for e in journal.entries() if e.token == second)
        assert start - journal.last_of(first).at < 1.0  # 10 ms on a quiet machine
        assert other.stop() == 0
    assert first < second
    assert journal.most_at_once() == 1


def test_a_killed_guard_takes_its_workload_along_and_another_takes_over(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    with Candidate(lease, journal, name="a", lifeline=lifeline) as a:
        wait_until(journal.tokens)
        with Candidate(lease, journal, name="b", lifeline=lifeline) as b:
            wait_until(lambda: "the leader is" in b.text())
            a.send(signal.SIGKILL)
            assert a.wait() == -signal.SIGKILL
            wait_until(lambda: len(journal.tokens()) == 2)
            assert b.stop() == 0
    assert journal.most_at_once() == 1


PATIENT = ("--lease-duration", "16s", "--safety-margin", "1.3s")
"""An elector may need seconds to start on a busy machine: it has half of these."""


def test_s16_the_workload_does_not_notice_that_the_elector_was_killed(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    with Candidate(lease, journal, name="a", lifeline=lifeline, flags=PATIENT) as a:
        wait_until(journal.tokens)
        old = a.elector
        assert old is not None
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: "started again" in a.text())
        wait_until(lambda: a.elector not in (None, old))
        _await_renewals(lease)
        assert a.stop() == 0
    assert len(journal.tokens()) == 1


def _await_renewals(lease: str) -> None:
    """
    Wait until the record was renewed twice from now on.
    """
    wanted = _version(lease) + 2
    wait_until(lambda: _version(lease) >= wanted, why="it is renewed")


def _version(lease: str) -> int:
    found = glance(lease.removeprefix("sqlite:"), name="leader")
    assert found is not None
    assert found.version is not None
    return found.version


def test_s9_a_frozen_elector_does_not_keep_the_workload_running(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    _take_over_from_a_frozen_elector(lease, journal, lifeline, mode="obedient")
    assert journal.most_at_once() == 1


def test_s2_a_stubborn_workload_is_killed_before_the_grant_ends(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    _take_over_from_a_frozen_elector(lease, journal, lifeline, mode="stubborn")
    assert journal.most_at_once() == 1


def _take_over_from_a_frozen_elector(
    lease: str, journal: Journal, lifeline: Lifeline, *, mode: str
) -> None:
    with Candidate(lease, journal, name="a", lifeline=lifeline, mode=mode) as a:
        wait_until(journal.tokens)
        with Candidate(lease, journal, name="b", lifeline=lifeline) as b:
            wait_until(lambda: "the leader is" in b.text())
            wait_until(lambda: _freeze_elector(a) and len(journal.tokens()) == 2)
            b.stop()
        _freeze_elector(a, signal.SIGCONT)  # or its guard waits for it to say goodbye


def _freeze_elector(candidate: Candidate, number: int = signal.SIGSTOP) -> bool:
    """
    Stop whichever elector the guard has now: a frozen one is replaced.
    """
    elector = candidate.elector
    if elector is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(elector, number)
    return True


def test_s16_a_hung_elector_is_replaced_and_the_workload_does_not_notice(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    with Candidate(lease, journal, name="a", lifeline=lifeline, flags=PATIENT) as a:
        wait_until(journal.tokens)
        begun, hung = boot_time(), a.elector
        _freeze_elector(a)
        wait_until(lambda: a.elector not in (hung, None))
        _await_renewals(lease)
        # Longer than any grant of the hung one: the new one's renewals count.
        wait_until(lambda: journal.entries()[-1].at > begun + 16.0)
        assert "the elector does not answer" in a.text()
        assert a.stop() == 0
    assert len(journal.tokens()) == 1


def test_the_workloads_own_code_is_passed_on_and_the_lease_released(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    with Candidate(lease, journal, name="a", lifeline=lifeline, mode="brief") as a:
        assert a.wait() == 7
    left = glance(lease.removeprefix("sqlite:"), name="leader")
    assert left is not None
    assert left.record.was_released
    with Candidate(lease, journal, name="b", lifeline=lifeline, mode="brief") as b:
        assert b.wait() == 7
    assert journal.most_at_once() == 1


def test_success_exit_codes_count_as_success(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    flags = (*SHORT, "--success-exit-codes", "7")
    with Candidate(
        lease, journal, name="a", lifeline=lifeline, mode="brief", flags=flags
    ) as a:
        assert a.wait() == 0


def test_on_exit_release_campaigns_again(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    flags = (*SHORT, "--on-exit", "release")
    with Candidate(
        lease, journal, name="a", lifeline=lifeline, mode="brief", flags=flags
    ) as a:
        wait_until(lambda: len(journal.tokens()) >= 2)
        a.stop()
    assert journal.tokens() == sorted(set(journal.tokens()))


def test_wait_timeout_ends_a_standby_with_75(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    with Candidate(lease, journal, name="a", lifeline=lifeline):
        wait_until(journal.tokens)
        flags = (*SHORT, "--wait-timeout", "500ms")
        with Candidate(lease, journal, name="b", lifeline=lifeline, flags=flags) as b:
            assert b.wait() == 75


def test_once_ends_with_79_when_the_term_is_lost(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    flags = (*SHORT, "--once")
    with Candidate(lease, journal, name="a", lifeline=lifeline, flags=flags) as a:
        wait_until(journal.tokens)
        stolen = boot_time()
        _steal(lease)
        assert a.wait() == 79
    assert journal.entries()[-1].at < stolen + 1.0
    assert len(journal.tokens()) == 1


def _steal(lease: str) -> None:
    """
    Write somebody else into the record, as no candidate of ours would.
    """
    row = "UPDATE lease SET version = version + 1, record = json_set(record, ?, ?)"
    with sqlite3.connect(lease.removeprefix("sqlite:"), timeout=30) as database:
        database.execute(row, ("$.holder", "thief"))
    database.close()


def test_a_missing_lease_that_may_not_be_made_is_one_line_with_what_to_do(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    flags = (*SHORT, "--acquire-every", "1s", "--lease-create=false")
    with Candidate(lease, journal, name="a", lifeline=lifeline, flags=flags) as a:
        wait_until(lambda: "--lease-create=true" in a.text())
        with Candidate(lease, journal, name="b", lifeline=lifeline):
            wait_until(lambda: "the leader is b_" in a.text())
        wait_until(lambda: a.leads(journal))
        told = [line for line in a.text().splitlines() if "lease-create" in line]
        assert len(told) == 1
        assert "WARNING" in told[0]
        a.stop()


def test_a_standby_ends_at_once_on_sigterm(
    lease: str, journal: Journal, lifeline: Lifeline
) -> None:
    with Candidate(lease, journal, name="a", lifeline=lifeline):
        wait_until(journal.tokens)
        with Candidate(lease, journal, name="b", lifeline=lifeline) as b:
            wait_until(lambda: "the leader is" in b.text())
            b.send(signal.SIGTERM)
            assert b.wait(timeout=3) == 0
