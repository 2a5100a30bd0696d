"""
Who of several candidates takes a lease: advisory, never against the rules.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.election.observation import Observation, Take, Verdict, Wait
from k8s_leader.election.priority import HIGHEST, NEVER, patience
from k8s_leader.election.record import Record, Stored, TermId, claim, release

HELD = claim(None, identity="b_1", duration=15.0, wall=1e9)
FREED = release(HELD, wall=1e9)
BLANKED = replace(HELD, holder="")


def seen(*records: Record | None) -> Observation:
    found = Observation(own_duration=15.0)
    for version, record in enumerate(records, 1):
        stored = None
        if record is not None:
            stored = Stored(record=record, uid="u", version=version)
        found = found.observe(stored, at=100.0)
    return found


def decide(
    found: Observation, after: float, *, priority: int, mine: TermId | None = None
) -> Verdict:
    return found.decide(
        identity="me_1", mine=mine, now=100.0 + after, patience=patience(priority)
    )


def test_the_highest_waits_for_nobody_and_each_step_below_a_little_longer() -> None:
    waits = [patience(p) for p in range(HIGHEST, NEVER, -1)]
    assert waits[0] == 0.0
    assert waits == sorted(set(waits))
    assert waits[1] > 0.2  # which is what equals may wait by chance
    assert waits[-1] < 5.0  # which is for how long a switchover leaves it to its target
    assert patience(NEVER) == math.inf


@pytest.mark.parametrize(
    ("records", "free_after"),
    [
        ((None,), 0.0),
        ((FREED,), 0.0),
        ((HELD, FREED), 0.0),
        ((HELD,), 15.0),
        ((HELD, BLANKED), 15.0),
        ((HELD, None), 15.0),
    ],
)
def test_a_lower_one_counts_from_when_the_lease_could_be_taken(
    records: tuple[Record | None, ...], free_after: float
) -> None:
    found = seen(*records)
    assert isinstance(decide(found, free_after, priority=HIGHEST), Take)
    wait = decide(found, free_after, priority=8)
    assert isinstance(wait, Wait)
    assert wait.until == pytest.approx(100.0 + free_after + patience(8))
    assert wait.why == "it is left to candidates of higher priority"
    assert wait.until is not None
    assert isinstance(decide(found, wait.until - 100.0, priority=8), Take)


def test_who_was_blanked_itself_waits_for_no_term_of_its_own() -> None:
    mine = claim(None, identity="me_1", duration=15.0, wall=1e9)
    wait = decide(seen(mine, replace(mine, holder="")), 0.0, priority=8)
    assert isinstance(wait, Wait)
    assert wait.until == pytest.approx(100.0 + patience(8))


def test_who_never_takes_it_has_no_time_to_wake_up_for() -> None:
    wait = decide(seen(FREED), 1e6, priority=NEVER)
    assert isinstance(wait, Wait)
    assert wait.until is None


@pytest.mark.parametrize("target", ["me", "me_1"])
def test_a_switchover_outranks_the_priority(target: str) -> None:
    ordered = replace(FREED, switchover=target)
    assert isinstance(decide(seen(ordered), 0.0, priority=NEVER), Take)
    other = replace(FREED, switchover="c")
    assert isinstance(decide(seen(other), 1e6, priority=NEVER), Wait)


def test_ones_own_ended_term_is_left_to_nobody() -> None:
    mine = replace(HELD, holder="me_1", our_holder="me_1")
    term = TermId(
        identity="me_1",
        uid="u",
        acquire_time=mine.acquire_time or "",
        transitions=mine.transitions,
    )
    assert isinstance(decide(seen(mine), 0.0, priority=1, mine=term), Take)


@given(
    st.lists(st.sampled_from([HELD, FREED, BLANKED, None]), max_size=4),
    st.integers(NEVER, HIGHEST),
    st.floats(0, 40),
)
def test_a_priority_never_makes_anybody_take_what_it_could_not_without(
    records: list[Record | None], priority: int, after: float
) -> None:
    found = seen(*records)
    with_priority = decide(found, after, priority=priority)
    without = decide(found, after, priority=HIGHEST)
    assert isinstance(with_priority, Wait) or isinstance(without, Take)
