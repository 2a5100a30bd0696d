"""
Durations: what is derived, and what is refused.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.election.timing import CLOCK_DRIFT, MAX_PAUSE, PROFILES, Timing
from k8s_leader.errors import SettingsError


def test_the_defaults_are_those_of_the_design() -> None:
    timing = Timing.derive()
    assert timing.lease_duration == 15.0
    assert timing.renew_deadline == pytest.approx(10.0)
    assert timing.renew_every == pytest.approx(3.0)
    assert timing.retry_period == pytest.approx(2.0)
    assert timing.acquire_every == pytest.approx(15.0)
    assert timing.kill_time == pytest.approx(2.25)
    assert timing.safety_margin == pytest.approx(1.3)
    assert timing.stop_timeout == 25.0
    assert timing.request_timeout == pytest.approx(3.0)


def test_a_long_lease_waits_ten_seconds_at_most_for_and_between_requests() -> None:
    timing = Timing.derive(600.0)
    assert timing.retry_period == 10.0
    assert timing.request_timeout == 10.0


def test_what_is_given_is_not_derived() -> None:
    given_ = {
        "renew_deadline": 9.0,
        "renew_every": 2.5,
        "retry_period": 1.5,
        "acquire_every": 12.0,
        "kill_time": 2.0,
        "safety_margin": 1.4,
        "stop_timeout": 7.0,
        "request_timeout": 2.2,
    }
    timing = Timing.derive(15.0, **given_)
    assert {name: getattr(timing, name) for name in given_} == given_


@given(st.floats(min_value=7.0, max_value=365 * 86400.0))
def test_every_lease_duration_from_7_s_works_alone(length: float) -> None:
    timing = Timing.derive(length)
    grant = timing.grant(token=1, sent=0.0)
    assert grant.stop_at + timing.kill_time <= grant.until + 1e-6
    assert timing.safety_margin >= MAX_PAUSE + 2 * CLOCK_DRIFT * length - 1e-9
    assert timing.renew_every + timing.request_timeout < timing.renew_deadline


@pytest.mark.parametrize("length", PROFILES.values(), ids=PROFILES)
def test_every_profile_is_valid(length: float) -> None:
    assert Timing.derive(length).lease_duration == length


@given(st.floats(min_value=0.01, max_value=6.1))
def test_a_lease_too_short_for_the_margins_is_refused(length: float) -> None:
    with pytest.raises(SettingsError, match="lease_duration"):
        Timing.derive(length)


REFUSED = {
    "renew_deadline too late": (
        {"renew_deadline": 12.0},
        r"lease_duration is 15\.0; allowed: at least renew_deadline \+ kill_time \+ "
        r"safety_margin = 12 \+ 2\.25 \+ 1\.3 = 15\.55 s\. Fix: lengthen "
        r"lease_duration \(7 s or more works alone\), or shorten one of the three",
    ),
    "kill_time too long": ({"kill_time": 4.0}, "at least renew_deadline"),
    "safety_margin too long": ({"safety_margin": 3.0}, "at least renew_deadline"),
    "renewals too rare": (
        {"renew_every": 7.5},
        r"renew_every is 7\.5; allowed: renew_every \+ request_timeout below "
        r"renew_deadline: 7\.5 \+ 3 < 10 s\. Fix: renew more often, or lengthen "
        r"renew_deadline and lease_duration",
    ),
    "requests too slow": ({"request_timeout": 7.0}, "renew_every is 3.0"),
    "retries too rare": (
        {"retry_period": 10.0},
        r"retry_period is 10\.0; allowed: less than renew_deadline \(10 s\)\. "
        r"Fix: shorten retry_period, so that a failed renewal is tried again",
    ),
    "standbys too eager": (
        {"acquire_every": 3.0},
        r"acquire_every is 3\.0; allowed: more than renew_every \(3 s\)\. "
        r"Fix: leave acquire_every out: it is lease_duration by default",
    ),
}


@pytest.mark.parametrize(("given_", "message"), REFUSED.values(), ids=REFUSED)
def test_a_broken_relation_is_refused_with_its_numbers(
    given_: dict[str, float], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Timing.derive(15.0, **given_)


@pytest.mark.parametrize(
    "value", [0, -1.0, math.nan, math.inf, True, "15", None, 365 * 86400 + 1]
)
def test_what_is_no_duration_is_refused_by_name(value: Any) -> None:
    with pytest.raises(SettingsError, match="lease_duration"):
        Timing.derive(value)
    if value is not None:  # that means: derive it
        with pytest.raises(SettingsError, match="kill_time"):
            Timing.derive(15.0, kill_time=value)


def test_exactly_filled_relations_are_allowed() -> None:
    timing = Timing.derive(
        10.0, renew_deadline=6.6, kill_time=2.1, safety_margin=1.3, renew_every=1.0
    )
    grant = timing.grant(token=None, sent=100.0)
    assert grant.until == pytest.approx(108.7)
    assert grant.stop_at == pytest.approx(106.6)


def test_s1_a_grant_counts_from_when_the_request_was_sent() -> None:
    grant = Timing.derive(15.0).grant(token=7, sent=1000.0)
    assert (grant.token, grant.sent) == (7, 1000.0)
    assert grant.stop_at == pytest.approx(1010.0)
    assert grant.until == pytest.approx(1013.7)


def test_what_remains_of_a_grant_is_never_negative() -> None:
    grant = Timing.derive(15.0).grant(token=7, sent=1000.0)
    assert grant.remaining(1003.7) == pytest.approx(10.0)
    assert grant.remaining(5000.0) == 0.0


def test_the_worst_failover_allows_for_drifting_clocks() -> None:
    assert Timing.derive(100.0).worst_failover() == pytest.approx(101.0)
