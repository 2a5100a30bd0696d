"""
What people may ask of an election, and what it may never do to safety.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.election.observation import (
    Kept,
    Observation,
    Take,
    Verdict,
    Wait,
    judge_own,
)
from k8s_leader.election.orders import (
    LEFT_FOR,
    Nonsense,
    left_to,
    names,
    nonsense,
    switchover_order,
    term_name,
    why_leave,
)
from k8s_leader.election.record import Record, Stored, TermId, claim, release, renewal

LEADER = "a-0_1"
TARGET = "b-0_2"
LED = claim(None, identity=LEADER, duration=15.0, wall=1e9)
TERM = TermId(
    identity=LEADER,
    uid="u",
    acquire_time=LED.acquire_time or "",
    transitions=LED.transitions,
)
OWN_NAME = term_name(LEADER, LED.transitions)
WORDS = st.none() | st.sampled_from(
    (
        *("true", "false", "", "TRUE", "a-0", LEADER, TARGET, "b-0", OWN_NAME),
        *("7/x", "x y", switchover_order("b-0", term=OWN_NAME)),
        switchover_order("b-0", term="9/x"),
    )
)


def asked(record: Record = LED, **orders: str) -> Record:
    return replace(record, **orders)  # type: ignore[arg-type]  # fields of text


def seen(*records: Record, at: float = 100.0) -> Observation:
    observed = Observation(own_duration=15.0)
    for version, record in enumerate(records, 1):
        stored = Stored(record=record, uid="u", version=version)
        observed = observed.observe(stored, at=at)
    return observed


def decide(observed: Observation, who: str, now: float) -> Verdict:
    return observed.decide(identity=who, mine=None, now=now)


# Safety -----------------------------------------------------------------------


@given(WORDS, WORDS, WORDS, st.booleans(), st.floats(0, 40))
def test_an_order_never_makes_anybody_take_what_it_could_not_without(
    paused: str | None, step_down: str | None, to: str | None, free: bool, after: float
) -> None:
    record = release(LED, wall=1e9) if free else LED
    ordered = replace(record, paused=paused, step_down=step_down, switchover=to)
    with_orders = decide(seen(LED, ordered), TARGET, 100.0 + after)
    without = decide(seen(LED, record), TARGET, 100.0 + after)
    assert isinstance(with_orders, Wait) or isinstance(without, Take)


@given(WORDS, WORDS, WORDS)
def test_whatever_is_ordered_the_record_stays_the_leaders(
    paused: str | None, step_down: str | None, to: str | None
) -> None:
    ordered = replace(LED, paused=paused, step_down=step_down, switchover=to)
    verdict = judge_own(TERM, Stored(record=ordered, uid="u", version=2))
    assert isinstance(verdict, Kept)
    assert verdict.duration == 15.0


def test_an_order_is_no_sign_of_life_of_the_holder() -> None:
    first = seen(LED)
    stored = Stored(record=asked(step_down="true"), uid="u", version=2)
    assert first.observe(stored, at=110.0).expires_at() == first.expires_at()


# Pause ------------------------------------------------------------------------


def test_while_paused_nobody_takes_a_free_or_an_expired_lease() -> None:
    for record in (release(LED, wall=1e9), LED):
        paused = seen(LED, asked(record, paused="true"))
        assert decide(paused, TARGET, 999.0) == Wait(until=None, why="paused")
        resumed = seen(LED, asked(record, paused="true"), record)
        assert isinstance(decide(resumed, TARGET, 999.0), Take)


@pytest.mark.parametrize("order", [{"step_down": "true"}, {"switchover": "b-0"}])
def test_while_paused_a_leader_is_not_asked_to_leave(order: dict[str, str]) -> None:
    ordered = asked(LED, **order)
    assert why_leave(ordered, TERM)
    assert why_leave(asked(ordered, paused="true"), TERM) == ""


# Step down --------------------------------------------------------------------


@pytest.mark.parametrize("value", ["true", OWN_NAME])
def test_the_leader_is_asked_to_step_down(value: str) -> None:
    record = asked(step_down=value)
    assert why_leave(record, TERM) == "asked to step down"
    kept = judge_own(TERM, Stored(record=record, uid="u", version=1))
    assert kept == Kept(duration=15.0, leave="asked to step down")


@pytest.mark.parametrize("value", ["false", "9/" + LEADER, term_name("c_3", 0), "yes"])
def test_an_order_to_another_term_or_nonsense_deposes_nobody(value: str) -> None:
    assert why_leave(asked(step_down=value), TERM) == ""


def test_who_takes_the_lease_is_not_deposed_by_an_order_to_the_one_before() -> None:
    ordered = asked(step_down="true", switchover="c-0", paused="false")
    won = claim(ordered, identity=TARGET, duration=15.0, wall=1e9)
    assert (won.step_down, won.switchover, won.paused) == (None, None, "false")


def test_the_release_takes_the_order_off_and_renewals_keep_it() -> None:
    ordered = asked(step_down="true", switchover="b-0")
    renewed = renewal(ordered, duration=15.0, wall=1e9, token=1)
    assert renewed.orders == ordered.orders
    assert release(renewed, wall=1e9).orders == (None, None, "b-0")


# Switch over ------------------------------------------------------------------


@pytest.mark.parametrize("value", ["b-0", TARGET, f"b-0 from {OWN_NAME}"])
def test_the_leader_is_asked_to_hand_over(value: str) -> None:
    assert why_leave(asked(switchover=value), TERM).startswith("switchover to b-0")


@pytest.mark.parametrize("value", ["a-0", LEADER, "b-0 from 9/a-0_1", "b-0 to a", ""])
def test_a_contradictory_or_foreign_switchover_deposes_nobody(value: str) -> None:
    assert why_leave(asked(switchover=value), TERM) == ""


def test_a_released_lease_is_left_to_the_target_for_a_while() -> None:
    free = release(asked(switchover=f"b-0 from {OWN_NAME}"), wall=1e9)
    observed = seen(LED, free)
    assert isinstance(decide(observed, TARGET, 100.0), Take)
    for other in ("c-0_3", LEADER):
        left = Wait(until=100.0 + LEFT_FOR, why="it is left to b-0")
        assert decide(observed, other, 100.0) == left
        assert isinstance(decide(observed, other, 100.0 + LEFT_FOR), Take)


def test_a_lease_that_expired_is_left_to_nobody() -> None:
    assert isinstance(decide(seen(asked(switchover="b-0")), "c-0_3", 115.0), Take)


def test_after_a_pause_the_target_has_its_while_again() -> None:
    free = release(asked(switchover="b-0"), wall=1e9)
    observed = seen(LED, asked(free, paused="true"))
    resumed = Stored(record=free, uid="u", version=9)
    observed = observed.observe(resumed, at=900.0)
    assert isinstance(decide(observed, "c-0_3", 904.0), Wait)
    assert isinstance(decide(observed, TARGET, 900.0), Take)


def test_a_switchover_of_an_older_term_reserves_nothing() -> None:
    assert left_to(release(asked(switchover="b-0 from 9/x"), wall=1e9)) == ""


def test_the_term_that_an_order_names_is_known_by_its_number_too() -> None:
    third = replace(LED, transitions=3, our_transitions=3)
    own = replace(TERM, transitions=3)
    named = switchover_order("b-0", term=term_name(LEADER, 3))
    earlier = switchover_order("b-0", term=term_name(LEADER, 0))
    assert named == f"b-0 from 3/{LEADER}"
    assert why_leave(asked(third, step_down=term_name(LEADER, 3)), own)
    assert not why_leave(asked(third, step_down=term_name(LEADER, 0)), own)
    assert why_leave(asked(third, switchover=named), own)
    assert not why_leave(asked(third, switchover=earlier), own)
    freed = release(third, wall=1e9)
    assert left_to(asked(freed, switchover=named)) == "b-0"
    assert left_to(asked(freed, switchover=earlier)) == ""


def test_without_a_term_an_order_is_to_whoever_leads() -> None:
    assert switchover_order("b-0") == "b-0"


def test_a_pods_name_is_all_before_the_last_underscore() -> None:
    assert names("a_b", "a_b_1")
    assert not names("a", "a_b_1")


def test_a_target_is_an_identity_or_the_name_of_its_pod() -> None:
    assert names("b-0", TARGET)
    assert names(TARGET, TARGET)
    assert not names("b", TARGET)
    assert not names("b-0_", TARGET)


# Nonsense ---------------------------------------------------------------------


def test_what_nobody_understands_is_named_with_what_is_allowed() -> None:
    odd = nonsense(asked(paused="yes", step_down="now", switchover="true"))
    assert [type(each) for each in odd] == [Nonsense] * 3
    assert [str(each).partition(";")[0] for each in odd] == [
        "k8s-leader.io/paused is 'yes', which is ignored",
        "k8s-leader.io/step-down is 'now', which is ignored",
        "k8s-leader.io/switchover is 'true', which is ignored",
    ]
    assert "allowed: true or false" in str(odd[0])


@given(st.text(), st.text(), st.text())
def test_any_text_is_either_understood_or_told(a: str, b: str, c: str) -> None:
    record = asked(paused=a, step_down=b, switchover=c)
    odd = nonsense(record)
    if len(odd) == 3:
        assert why_leave(record, TERM) == ""
        assert left_to(release(record, wall=1e9)) == ""
