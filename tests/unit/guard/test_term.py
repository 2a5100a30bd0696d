"""The guard's own judgement of what an elector permits."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_leader.guard.term import Refusal, Term, Times

NOW = 1000.0
TIMING = {
    "lease_duration": 15.0,
    "renew_deadline": 10.0,
    "safety_margin": 1.3,
    "kill_time": 2.25,
}


def start(**changes: object) -> dict[str, Any]:
    """Return a valid start with some fields changed."""
    return {
        "token": 7,
        "uid": "u",
        "acquire_time": "t",
        "transitions": 1,
        "sent": NOW,
        "stop_at": NOW + 10.0,
        "until": NOW + 13.7,
        **changes,
    }


def test_s2_a_grant_as_long_as_the_lease_permits_is_accepted() -> None:
    """The bounds themselves are allowed."""
    times = Times.read(start(), timing=TIMING, now=NOW)
    assert (times.sent, times.stop_at, times.until) == (NOW, NOW + 10.0, NOW + 13.7)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sent": NOW + 0.1}, "future"),
        ({"until": NOW + 13.8}, "more than the lease"),
        ({"stop_at": NOW + 10.1}, "deadline is too late"),
        ({"sent": NOW - 10, "stop_at": NOW, "until": NOW + 3}, "came too late"),
        ({"until": NOW - 1}, "came too late"),
        ({"sent": None}, "no times"),
        ({"until": "soon"}, "no times"),
        ({"sent": float("nan")}, "future"),
        ({"until": float("nan")}, "more than the lease"),
        ({"until": float("inf")}, "more than the lease"),
        ({"token": 0}, "fencing token"),
        ({"token": "7"}, "fencing token"),
        ({"token": None}, "fencing token"),
        ({"transitions": "1"}, "malformed"),
        ({"env": []}, "malformed"),
    ],
)
def test_s9_a_start_that_the_guard_cannot_trust_is_refused(
    changes: dict[str, object], why: str
) -> None:
    """Each fault has its own reason."""
    with pytest.raises(Refusal, match=why):
        Term(start(**changes), timing=TIMING, now=NOW)


def test_s16_the_facts_of_a_term_are_those_it_was_started_with() -> None:
    """What hello carries to the next elector."""
    term = Term(start(), timing=TIMING, now=NOW)
    assert term.facts() == start()


def test_s3_a_stop_may_only_bring_the_kill_forward() -> None:
    """A later and more generous stop changes neither reason nor deadline."""
    term = Term(start(), timing=TIMING, now=NOW)
    assert term.stop("lost", kill_at=NOW + 1)
    assert not term.stop("voluntary", kill_at=NOW + 25)
    assert (term.stopping, term.kill_at) == ("lost", NOW + 1)


def test_s2_the_kill_comes_kill_time_after_the_renew_deadline() -> None:
    """Without any word from the elector."""
    term = Term(start(), timing=TIMING, now=NOW)
    assert term.hard_deadline(kill_time=2.25) == NOW + 12.25


def test_s1_the_kill_leaves_time_to_die_before_the_grant_ends() -> None:
    """However long the workload was promised, as when a grant is shortened."""
    term = Term(start(until=NOW + 5), timing=TIMING, now=NOW)
    assert term.hard_deadline(kill_time=2.25) == NOW + 5 - 0.1


def test_s2_a_grant_that_is_shortened_below_its_stop_is_told_to_stop_in_time() -> None:
    """A stop after the grant's end would come too late for whoever waits to start."""
    times = Times.read(start(until=NOW + 5), timing=TIMING, now=NOW)
    assert times.stop_at == NOW + 5 - 0.1
