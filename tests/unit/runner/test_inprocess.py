"""
Terms in this process: who may still work, and when the hard stop is armed.
"""

from __future__ import annotations

import logging
import os

import pytest

from k8s_leader.election.events import Event, WorkloadGone
from k8s_leader.election.grant import Grant
from k8s_leader.leases.port import Held
from k8s_leader.runner import inprocess
from k8s_leader.runner.inprocess import LAST_WORDS, InProcessWorkload
from k8s_leader.runner.term import Term
from k8s_leader.testing.clock import FakeClock

NOW = 1000.0
HELD = Held(token=7)


class Stop:
    """
    A hard stop that only notes when it would strike.
    """

    def __init__(self) -> None:
        self.at: float | None = None

    def arm(self, at: float) -> None:
        self.at = at

    def disarm(self) -> None:
        self.at = None


class Desk:
    """
    A workload port, what it delivered, and what it reported.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        self.stop = Stop()
        self.clock = FakeClock(now=NOW)
        self.terms: list[Term] = []
        self.reported: list[Event] = []
        self.workload = InProcessWorkload(
            identity="a_1",
            clock=self.clock,
            deliver=self.terms.append,
            report=self.reported.append,
            hard_stop=None if lenient else self.stop,
            backoff=2.0,
        )

    def strikes_at(self) -> float | None:
        return self.stop.at

    def begin(self) -> Term:
        self.workload.start(grant(NOW), HELD)
        return self.terms[-1]


def grant(sent: float) -> Grant:
    return Grant(token=7, sent=sent, stop_at=sent + 10.0, until=sent + 13.0)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def lenient() -> Desk:
    return Desk(lenient=True)


def test_s10_the_hard_stop_is_armed_only_while_somebody_works(desk: Desk) -> None:
    term = desk.begin()
    assert desk.strikes_at() is None
    assert desk.workload.take(term)
    assert desk.strikes_at() == NOW + 13.0
    desk.workload.extend(grant(NOW + 3))
    assert desk.strikes_at() == NOW + 16.0
    desk.workload.finish(term)
    assert desk.strikes_at() is None


def test_a_term_that_nobody_took_is_gone_when_it_is_stopped(desk: Desk) -> None:
    term = desk.begin()
    desk.workload.stop(why="stopping", budget=25.0)
    assert desk.reported == [WorkloadGone(backoff=0.0)]
    assert not desk.workload.take(term)


def test_s3_a_term_that_is_taken_is_killed_at_once_on_a_theft(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    term = desk.begin()
    desk.workload.take(term)
    with caplog.at_level(logging.WARNING):
        desk.workload.stop(why="stolen", budget=0.0)
    assert desk.strikes_at() == NOW + LAST_WORDS
    assert "stolen" in caplog.text
    assert term.lost.is_set()
    assert desk.reported == []


def test_whoever_carries_on_after_a_loss_is_told_and_not_killed(
    lenient: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    term = lenient.begin()
    lenient.workload.take(term)
    lenient.workload.extend(grant(NOW + 3))
    lenient.workload.stop(why="stolen", budget=0.0)
    assert "killed" not in caplog.text
    lenient.workload.leave(term)
    assert lenient.reported == [WorkloadGone(backoff=0.0)]


def test_a_term_of_which_all_users_left_goes_on_until_it_is_stopped(desk: Desk) -> None:
    term = desk.begin()
    desk.workload.take(term)
    desk.workload.take(term)
    desk.workload.leave(term)
    assert desk.strikes_at() is not None
    desk.workload.leave(term)
    assert desk.strikes_at() is None
    assert desk.reported == []
    assert desk.workload.take(term)


def test_a_workload_that_ends_by_itself_stays_out_for_the_back_off(
    lenient: Desk,
) -> None:
    term = lenient.begin()
    lenient.workload.take(term)
    lenient.workload.finish(term)
    lenient.workload.finish(term)
    lenient.workload.leave(term)
    assert lenient.reported == [WorkloadGone(backoff=2.0)]


def test_commands_that_cross_the_end_of_a_term_have_no_effect(desk: Desk) -> None:
    term = desk.begin()
    desk.workload.take(term)
    desk.workload.finish(term)
    desk.workload.extend(grant(NOW + 3))
    desk.workload.stop(why="stopping", budget=25.0)
    desk.workload.abandon()
    assert desk.strikes_at() is None
    assert len(desk.reported) == 1


def test_a_term_is_lost_when_there_is_no_election_any_more(desk: Desk) -> None:
    term = desk.begin()
    desk.workload.abandon()
    assert term.lost.is_set()


def test_s10_in_a_forked_child_every_term_is_lost_and_nothing_is_reported(
    desk: Desk,
) -> None:
    term = desk.begin()
    desk.workload.take(term)
    desk.workload.forget_in_forked_child()
    assert term.lost.is_set()
    assert not desk.workload.is_leader
    desk.workload.finish(term)
    assert desk.reported == []
    assert (
        desk.strikes_at() == NOW + 13.0
    )  # the parent's timer is not the child's to touch


def test_a_forked_child_of_a_standby_has_nothing_to_lose(desk: Desk) -> None:
    desk.workload.forget_in_forked_child()
    assert desk.workload.forked
    assert not desk.workload.is_leader


def test_a_platform_that_cannot_fork_needs_no_hook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "register_at_fork")
    assert list(inprocess._living.__wrapped__()) == []
