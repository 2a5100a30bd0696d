"""
The status says what holds at the moment of the question, and never leads too long.
"""

from __future__ import annotations

import pytest

from k8s_leader.election.events import State
from k8s_leader.observers.port import HolderSeen, WorkloadExited, WorkloadStarted
from tests.helpers.notices import Story


def test_a_candidate_leads_from_its_term_until_the_end_of_its_grant() -> None:
    story = Story()
    seen = [story.status.is_leader]
    grant = story.lead()
    for now in (grant.sent, grant.until - 0.001, grant.until):
        story.clock.set(now=now)
        seen.append(story.status.is_leader)
    assert seen == [False, True, True, False], "nobody told it, and still it is over"


@pytest.mark.parametrize("state", [State.LOSING, State.RELEASING, State.STANDBY])
def test_a_candidate_that_loses_or_releases_leads_no_more(state: State) -> None:
    story = Story()
    story.lead()
    story.enter(state)
    assert not story.status.is_leader


def test_a_candidate_that_stops_leads_until_its_workload_is_gone() -> None:
    story = Story()
    story.lead()
    story.enter(State.STOPPING, reason="SIGTERM")
    assert story.status.is_leader


def test_a_renewal_prolongs_what_the_status_promises() -> None:
    story = Story()
    first = story.lead()
    story.wait(3)
    story.answer("renew", left=10.0)
    second = story.grant()
    assert story.status.now.grant == second
    story.clock.set(now=first.until + 1)
    assert story.status.is_leader


def test_seconds_led_grow_during_a_term_and_stop_at_the_end_of_the_grant() -> None:
    story = Story()
    story.wait(100)
    assert story.status.now.led_for(story.clock.now()) == 0.0
    grant = story.lead()
    story.wait(5)
    assert story.status.now.led_for(story.clock.now()) == pytest.approx(5)
    late = grant.until + 100
    assert story.status.now.led_for(late) == pytest.approx(grant.until - grant.sent)
    story.enter(State.RELEASING)
    story.enter(State.STANDBY)
    story.wait(50)
    assert story.status.now.led_for(story.clock.now()) == pytest.approx(5)


def test_an_error_is_kept_after_the_store_answers_again() -> None:
    story = Story()
    seen = [story.status.now.is_reachable]
    for error in ("LeaseUnavailableError", None):
        story.answer("acquire", error=error)
        seen.append(story.status.now.is_reachable)
        story.wait(1)
    assert seen == [False, False, True]
    failure = story.status.now.failure
    assert failure is not None
    assert (failure.operation, failure.message) == ("acquire", "it broke")


def test_the_workload_is_up_between_its_start_and_its_end() -> None:
    story = Story()
    story.lead()
    story.tell(WorkloadStarted(token=7, pid=42))
    assert (story.status.now.pid, story.status.now.started_at) == (42, 1000.0)
    story.tell(WorkloadExited(token=7, code=143))
    found = story.status.now
    assert (found.pid, found.started_at, found.exit_code) == (None, None, 143)


def test_a_standby_knows_the_holder_and_has_no_grant() -> None:
    story = Story()
    story.lead()
    story.enter(State.LOSING, reason="stolen")
    story.enter(State.STANDBY)
    story.tell(HolderSeen(holder="b_2"))
    assert (story.status.now.holder, story.status.now.grant) == ("b_2", None)
    assert (story.status.now.token, story.status.now.term) == (7, 3)
