"""
What a candidate writes: claims, renewals and releases.
"""

from __future__ import annotations

import datetime
import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.election.record import (
    Record,
    Stored,
    TermId,
    claim,
    micro_time,
    release,
    renewal,
    unix_seconds,
)

WALL = 1_750_000_000.25


def held(**changes: object) -> Record:
    record = claim(None, identity="a", duration=15.0, wall=WALL)
    return replace(record, **changes)  # type: ignore[arg-type]  # any field


def test_times_have_six_digits_and_a_z() -> None:
    assert micro_time(0.0) == "1970-01-01T00:00:00.000000Z"
    assert micro_time(WALL) == "2025-06-15T15:06:40.250000Z"


def test_a_claim_of_nothing_starts_with_transitions_0() -> None:
    record = held()
    assert record.transitions == 0
    assert record.acquire_time == record.renew_time == micro_time(WALL)
    assert (record.holder, record.duration) == ("a", 15.0)
    assert (record.our_holder, record.our_duration) == ("a", 15.0)
    assert record.our_transitions == 0


@pytest.mark.parametrize("holder", ["", "a", "b"])
def test_a_take_over_raises_transitions_also_from_a_free_record(holder: str) -> None:
    record = claim(
        Record(holder=holder, transitions=4), identity="a", duration=15.0, wall=WALL
    )
    assert record.transitions == record.our_transitions == 5


def test_transitions_stop_at_what_the_api_can_hold() -> None:
    full = Record(transitions=2**31 - 1)
    record = claim(full, identity="a", duration=15.0, wall=WALL)
    assert record.transitions == 2**31 - 1


def test_a_claim_removes_the_marker_and_keeps_the_published_token() -> None:
    before = Record(released_by="b", our_holder="b", token=41, preferred_holder="a")
    record = claim(before, identity="a", duration=15.0, wall=WALL)
    assert record.released_by is None
    assert record.token == 41
    assert record.preferred_holder == "a"
    assert not record.was_released


def test_a_renewal_changes_neither_acquire_time_nor_transitions() -> None:
    before = held(transitions=3)
    after = renewal(before, duration=20.0, wall=WALL + 3, token=9)
    assert (after.acquire_time, after.transitions) == (before.acquire_time, 3)
    assert (after.duration, after.our_duration, after.token) == (20.0, 20.0, 9)
    assert after.renew_time == micro_time(WALL + 3)


def test_a_renewal_without_a_token_keeps_the_published_one() -> None:
    after = renewal(held(token=5), duration=15.0, wall=WALL + 3, token=None)
    assert after.token == 5


def whole_second(text: str | None) -> str:
    assert text is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    return text[:19]


@given(st.lists(st.floats(min_value=-200_000.0, max_value=200_000.0), max_size=30))
def test_each_renewal_moves_renew_time_to_another_second(steps: list[float]) -> None:
    """
    Whatever the wall clock does: stand still, step back, jump ahead.
    """
    wall, record = WALL, held()
    for step in [0.0, *steps, 0.0]:
        wall += step
        after = renewal(record, duration=15.0, wall=wall, token=1)
        assert whole_second(after.renew_time) != whole_second(record.renew_time)
        record = after


@given(st.lists(st.floats(min_value=0.001, max_value=0.999), min_size=2, max_size=30))
def test_several_renewals_in_one_second_do_not_run_ahead_of_the_clock(
    steps: list[float],
) -> None:
    wall, record = WALL, held()
    for step in steps:
        wall += step
        after = renewal(record, duration=1.0, wall=wall, token=1, elapsed=step)
        before, at = unix_seconds(record.renew_time), unix_seconds(after.renew_time)
        assert before is not None
        assert at is not None
        assert at > before
        assert at - wall < 0.001
        record = after


@pytest.mark.parametrize(
    ("elapsed", "further"), [(0.25, 0.25), (1.0, 1.0), (60.0, 1.0), (None, 1.0)]
)
def test_a_clock_that_stands_moves_renew_time_by_a_second_at_most(
    elapsed: float | None, further: float
) -> None:
    spent = {} if elapsed is None else {"elapsed": elapsed}
    after = renewal(held(), duration=15.0, wall=WALL, token=1, **spent)
    assert unix_seconds(after.renew_time) == pytest.approx(WALL + further)


def test_times_are_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        there = micro_time(WALL)
    time.tzset()
    assert there == micro_time(WALL)


@given(st.datetimes(timezones=st.timezones()), st.floats(0, 4e9))
def test_any_renew_time_that_another_wrote_can_be_renewed(
    there: datetime.datetime, wall: float
) -> None:
    before = held(renew_time=there.isoformat())
    after = renewal(before, duration=15.0, wall=wall, token=1)
    utc = there.isoformat()
    try:
        utc = there.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        return
    assert whole_second(after.renew_time) != utc


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "yesterday",
        "2025-06-15T15:06:40",  # no zone
        "2025-06-15T15:06:60Z",  # a leap second
        "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2025-06-15T15:06:40.123456789Z",
    ],
)
def test_an_absurd_renew_time_does_not_hinder_a_renewal(text: str | None) -> None:
    after = renewal(held(renew_time=text), duration=15.0, wall=WALL + 1, token=1)
    assert whole_second(after.renew_time) == "2025-06-15T15:06:41"


@pytest.mark.parametrize("backwards", [0.0, 0.5, 3.0])
def test_a_clock_that_stands_or_steps_back_writes_no_whole_second_twice(
    backwards: float,
) -> None:
    """
    client-go sees whole seconds, and not every renewal.

    To it a renewTime that alternates between two seconds is a leader that is dead.
    """
    record, written = held(), set()
    for number in range(20):
        wall = WALL - number * backwards
        record = renewal(record, duration=15.0, wall=wall, token=1, elapsed=3.0)
        written.add(whole_second(record.renew_time))
    assert len(written) == 20


def test_s5_a_release_frees_the_record_and_leaves_the_marker() -> None:
    after = release(held(transitions=3, token=9), wall=WALL + 5)
    assert (after.holder, after.duration, after.transitions) == ("", 1.0, 3)
    assert after.acquire_time == after.renew_time == micro_time(WALL + 5)
    assert after.released_by == after.our_holder == "a"
    assert after.is_free
    assert after.was_released
    assert after.token == 9


def test_s17_a_term_that_ends_before_its_first_renewal_publishes_its_token() -> None:
    assert release(held(token=None), wall=WALL, token=41).token == 41


def test_a_marker_of_another_holder_is_no_release_of_the_last_one() -> None:
    assert not Record(our_holder="b", released_by="a").was_released
    assert not Record(our_holder="b").was_released
    assert not Record().was_released


def test_only_a_higher_count_shows_a_later_foreign_holder() -> None:
    ours = Record(our_holder="a", our_transitions=5, transitions=5)
    assert ours.last_holder_was_ours
    assert replace(ours, transitions=4).last_holder_was_ours
    assert not replace(ours, transitions=6).last_holder_was_ours
    assert replace(ours, our_transitions=None, transitions=9).last_holder_was_ours
    assert not Record(transitions=1).last_holder_was_ours


MINE = TermId(identity="a_1", uid="u", acquire_time="t", transitions=2)


def stored(**changes: object) -> Stored:
    record = Record(holder="a_1", acquire_time="t", transitions=2)
    uid = str(changes.pop("uid", "u"))
    record = replace(record, **changes)  # type: ignore[arg-type]  # any field
    return Stored(record=record, uid=uid, version=1)


def test_s5_a_term_is_known_by_identity_uid_acquire_time_and_transitions() -> None:
    assert MINE.is_in(stored())
    assert not MINE.is_in(None)
    assert not MINE.is_in(stored(uid="v"))
    assert not MINE.is_in(stored(acquire_time="u"))
    assert not MINE.is_in(stored(transitions=3))
    assert MINE.is_in(stored(renew_time="later", duration=9.0, token=4))


def test_s11_identities_are_compared_whole_never_by_prefix() -> None:
    assert not MINE.is_in(stored(holder="a_12"))
    assert not MINE.is_in(stored(holder="a_"))
    assert not MINE.is_in(stored(holder="A_1"))


def test_a_term_whose_creation_was_not_answered_matches_any_uid() -> None:
    unknown = replace(MINE, uid="")
    assert unknown.is_in(stored(uid="whatever"))
    assert not unknown.is_in(stored(uid="whatever", acquire_time="u"))
