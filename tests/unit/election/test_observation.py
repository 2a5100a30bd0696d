"""
The observation rule: when may a record be taken, and is it still ours?
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.election.observation import (
    Kept,
    LossReason,
    Lost,
    Observation,
    Take,
    Unwanted,
    Verdict,
    Wait,
    judge_own,
    mint_token,
)
from k8s_leader.election.record import (
    Record,
    Stored,
    TermId,
    claim,
    release,
    renewal,
)

OWN = 15.0
FRESH = Observation(own_duration=OWN)


def at(version: int, record: Record, *, uid: str = "u") -> Stored:
    return Stored(record=record, uid=uid, version=version)


def ours(
    holder: str = "b", *, duration: float = 15.0, before: Record | None = None
) -> Record:
    return claim(before, identity=holder, duration=duration, wall=1e9)


def foreign(holder: str = "go", **changes: object) -> Record:
    record = Record(
        holder=holder, duration=15.0, acquire_time="t", renew_time="t", transitions=1
    )
    return replace(record, **changes)  # type: ignore[arg-type]  # any field


def blanked(record: Record) -> Record:
    return replace(record, holder="")


def decide(seen: Observation, now: float, *, mine: TermId | None = None) -> Verdict:
    return seen.decide(identity="me", mine=mine, now=now)


def assert_expires(seen: Observation, until: float) -> None:
    """
    The lease may be taken from `until` on and not a moment earlier.
    """
    verdict = decide(seen, until - 0.001)
    assert isinstance(verdict, Wait)
    assert verdict.until == pytest.approx(until)
    assert isinstance(decide(seen, until), Take)


# S7 ---------------------------------------------------------------------------


def test_s7_expiry_counts_from_when_the_change_was_seen() -> None:
    assert_expires(FRESH.observe(at(1, foreign()), at=100.0), 115.0)


@pytest.mark.parametrize("when", ["1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z", None])
def test_s7_renew_time_is_never_compared_with_a_clock(when: str | None) -> None:
    seen = FRESH.observe(at(1, foreign(renew_time=when)), at=100.0)
    assert_expires(seen, 115.0)


def test_s7_each_seen_renewal_prolongs_the_protection() -> None:
    seen = FRESH.observe(at(1, foreign()), at=100.0)
    seen = seen.observe(at(2, foreign(renew_time="t2")), at=110.0)
    assert_expires(seen, 125.0)


def test_s7_seeing_the_same_spec_again_prolongs_nothing() -> None:
    seen = FRESH.observe(at(1, foreign()), at=100.0)
    labelled = replace(at(2, foreign()), handle="another label")
    seen = seen.observe(labelled, at=110.0)
    assert seen.stored is labelled
    assert_expires(seen, 115.0)


@pytest.mark.parametrize(
    "change",
    [
        {"duration": 15.5},
        {"renew_time": "t2"},
        {"acquire_time": "t2"},
        {"transitions": 2},
        {"holder": "other"},
        {"preferred_holder": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_s7_a_change_of_any_spec_field_is_a_sign_of_life(
    change: dict[str, Any],
) -> None:
    seen = FRESH.observe(at(1, foreign()), at=100.0)
    seen = seen.observe(at(2, replace(foreign(), **change)), at=110.0)
    assert isinstance(decide(seen, 124.9), Wait)
    assert isinstance(decide(seen, 126.0), Take)


def test_s7_the_largest_duration_counts_until_the_holder_changes() -> None:
    seen = FRESH.observe(at(1, foreign(duration=60.0)), at=100.0)
    seen = seen.observe(at(2, foreign(duration=5.0)), at=101.0)
    assert_expires(seen, 161.0)
    seen = seen.observe(at(3, foreign("other", duration=5.0)), at=102.0)
    assert_expires(seen, 107.0)


def test_s7_the_largest_duration_is_forgotten_with_the_acquire_time() -> None:
    seen = FRESH.observe(at(1, foreign(duration=60.0)), at=100.0)
    seen = seen.observe(at(2, foreign(duration=5.0, acquire_time="t2")), at=101.0)
    assert_expires(seen, 106.0)


def test_s7_the_holders_duration_counts_not_our_own() -> None:
    assert_expires(FRESH.observe(at(1, foreign(duration=3.0)), at=100.0), 103.0)
    assert_expires(FRESH.observe(at(1, foreign(duration=90.0)), at=100.0), 190.0)


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 30.0),
            st.sampled_from(["t1", "t2"]),
            st.floats(1.0, 90.0),
            st.sampled_from(["r1", "r2", "r3"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_s7_nobody_is_robbed_before_the_last_seen_change_is_old_enough(
    steps: list[tuple[float, str, float, str]],
) -> None:
    now, seen, last = 100.0, FRESH, None
    changed = longest = 0.0
    for version, (pause, acquired, duration, renewed) in enumerate(steps, 1):
        now += pause
        record = foreign(acquire_time=acquired, duration=duration, renew_time=renewed)
        seen = seen.observe(at(version, record), at=now)
        if last is None or last.acquire_time != acquired:
            longest = duration
        elif last != record:
            longest = max(longest, duration)
        if last != record:
            changed = now
        last = record
    assert isinstance(decide(seen, changed + longest - 1e-6), Wait)
    assert isinstance(decide(seen, changed + longest + 1e-6), Take)


def test_s12_a_missing_or_null_duration_counts_as_our_own() -> None:
    assert_expires(FRESH.observe(at(1, foreign(duration=None)), at=100.0), 115.0)


def test_s12_a_newcomer_waits_for_the_duration_that_a_holder_of_ours_noted() -> None:
    """
    Whoever removes the duration removes it under a leader that works with it.
    """
    longer = replace(ours(duration=60.0), duration=None)
    assert_expires(FRESH.observe(at(1, longer), at=100.0), 160.0)
    shorter = replace(ours(duration=7.0), duration=None)
    assert_expires(FRESH.observe(at(1, shorter), at=100.0), 115.0)


def test_s12_what_an_earlier_holder_of_ours_noted_is_nothing_to_a_foreign_one() -> None:
    after_ours = replace(ours(duration=60.0), holder="go", duration=None)
    assert_expires(FRESH.observe(at(1, after_ours), at=100.0), 115.0)


# S11 --------------------------------------------------------------------------


def test_s11_a_longer_or_shorter_identity_is_somebody_else() -> None:
    for holder in ("me2", "m", "ME"):
        seen = FRESH.observe(at(1, foreign(holder)), at=100.0)
        assert isinstance(decide(seen, 101.0), Wait)


def test_s11_our_name_alone_does_not_make_a_record_ours() -> None:
    """
    Another process may have been given our identity: it is waited for (S16).
    """
    seen = FRESH.observe(at(1, foreign("me")), at=100.0)
    assert_expires(seen, 115.0)


# S12 --------------------------------------------------------------------------


def test_s12_a_lease_that_does_not_exist_is_taken_at_once() -> None:
    verdict = decide(FRESH.observe(None, at=100.0), 100.0)
    assert verdict == Take(over=None, why="the lease is free")


@pytest.mark.parametrize("record", [Record(), Record(transitions=7, duration=1.0)])
def test_s12_a_free_lease_of_which_nothing_is_known_is_taken_at_once(
    record: Record,
) -> None:
    assert isinstance(decide(FRESH.observe(at(1, record), at=100.0), 100.0), Take)


def test_s12_a_lease_released_with_our_marker_is_taken_at_once() -> None:
    freed = release(ours(), wall=1e9 + 5)
    newcomer = FRESH.observe(at(2, freed), at=100.0)
    assert isinstance(decide(newcomer, 100.0), Take)
    witness = FRESH.observe(at(1, ours()), at=99.0).observe(at(2, freed), at=100.0)
    assert isinstance(decide(witness, 100.0), Take)


def test_s12_a_lease_that_a_foreign_holder_freed_is_taken_at_once() -> None:
    seen = FRESH.observe(at(1, foreign()), at=99.0)
    seen = seen.observe(at(2, foreign("", duration=1.0)), at=100.0)
    assert isinstance(decide(seen, 100.0), Take)


def test_s12_a_foreign_holder_after_one_of_ours_needs_no_marker() -> None:
    go = replace(ours(), holder="go", transitions=1)
    seen = FRESH.observe(at(1, go), at=99.0).observe(at(2, blanked(go)), at=100.0)
    assert isinstance(decide(seen, 100.0), Take)
    newcomer = FRESH.observe(at(2, blanked(go)), at=100.0)
    assert isinstance(decide(newcomer, 100.0), Take)


def test_s12_a_newcomer_waits_for_a_holder_of_ours_that_was_blanked() -> None:
    seen = FRESH.observe(at(1, blanked(ours())), at=100.0)
    verdict = decide(seen, 100.0)
    assert isinstance(verdict, Wait)
    assert verdict.holder == "b"
    assert_expires(seen, 115.0)


def test_s12_a_newcomer_waits_for_the_longer_of_both_durations() -> None:
    longer = FRESH.observe(at(1, blanked(ours(duration=60.0))), at=100.0)
    assert_expires(longer, 160.0)
    shorter = FRESH.observe(at(1, blanked(ours(duration=7.0))), at=100.0)
    assert_expires(shorter, 115.0)


def test_s12_a_stale_blanking_that_lowers_transitions_is_still_one() -> None:
    record = replace(blanked(ours(before=Record(transitions=8))), transitions=3)
    assert isinstance(decide(FRESH.observe(at(1, record), at=100.0), 114.0), Wait)


def test_s12_a_blanking_under_an_observed_holder_waits_from_when_it_was_seen() -> None:
    """
    The holder may have renewed unseen, so the old expiry is not late enough.
    """
    seen = FRESH.observe(at(1, ours()), at=100.0)
    seen = seen.observe(at(3, blanked(ours())), at=104.0)
    assert_expires(seen, 119.0)


def test_s12_a_blanking_that_wiped_the_annotations_too_is_waited_out() -> None:
    seen = FRESH.observe(at(1, ours()), at=100.0).observe(at(2, Record()), at=104.0)
    assert_expires(seen, 119.0)


def test_s12_a_deletion_under_an_observed_holder_is_waited_out() -> None:
    seen = FRESH.observe(at(1, ours(duration=30.0)), at=100.0)
    seen = seen.observe(None, at=104.0)
    assert_expires(seen, 134.0)


def test_s12_deleting_what_was_blanked_does_not_shorten_the_wait() -> None:
    seen = FRESH.observe(at(1, ours()), at=100.0)
    seen = seen.observe(at(2, blanked(ours())), at=104.0).observe(None, at=105.0)
    assert_expires(seen, 119.0)
    again = seen.observe(at(3, Record(), uid="v"), at=106.0)
    assert_expires(again, 119.0)


def test_s12_deleting_what_was_released_needs_no_wait() -> None:
    freed = release(ours(), wall=1e9 + 5)
    seen = FRESH.observe(at(1, ours()), at=99.0).observe(at(2, freed), at=100.0)
    assert isinstance(decide(seen.observe(None, at=101.0), 101.0), Take)


def test_s12_a_holder_that_was_never_seen_but_by_its_annotations_is_waited_for() -> (
    None
):
    """
    Between two looks, another of ours took the lease and was blanked.
    """
    freed = release(ours("b"), wall=1e9 + 5)
    unseen = ours("c", before=freed, duration=20.0)
    looked_at_free = FRESH.observe(at(1, freed), at=100.0)
    assert_expires(looked_at_free.observe(at(3, blanked(unseen)), at=104.0), 124.0)
    looked_at_other = FRESH.observe(at(1, ours("b")), at=100.0)
    assert_expires(looked_at_other.observe(at(3, blanked(unseen)), at=104.0), 124.0)
    looked_at_nothing = FRESH.observe(None, at=100.0)
    assert_expires(looked_at_nothing.observe(at(3, blanked(unseen)), at=104.0), 124.0)


def test_s12_a_newcomer_to_a_holder_takes_the_released_lease_at_once() -> None:
    freed = release(ours(), wall=1e9 + 5)
    seen = FRESH.observe(at(1, blanked(ours())), at=100.0)
    assert isinstance(decide(seen.observe(at(2, freed), at=101.0), 101.0), Take)


def test_s12_a_new_holder_of_ours_ends_the_wait_for_the_old_one() -> None:
    seen = FRESH.observe(at(1, blanked(ours())), at=100.0)
    seen = seen.observe(at(2, ours("c", duration=3.0)), at=101.0)
    assert_expires(seen, 104.0)


def test_s12_a_foreigner_that_takes_a_blanked_lease_does_not_shorten_the_wait() -> None:
    seen = FRESH.observe(at(1, blanked(ours())), at=100.0)
    brief = seen.observe(at(2, foreign(duration=3.0)), at=101.0)
    assert_expires(brief, 115.0)
    freed = brief.observe(at(3, foreign("", duration=1.0)), at=102.0)
    assert_expires(freed, 115.0)
    longer = seen.observe(at(2, foreign(duration=20.0)), at=101.0)
    assert_expires(longer, 121.0)


def test_s12_who_was_displaced_before_its_time_is_waited_for() -> None:
    """
    It may not know yet: cut off from the store, it works until its grant ends.
    """
    thief = replace(ours(), holder="go", transitions=1, duration=2.0)
    seen = FRESH.observe(at(1, ours()), at=100.0).observe(at(2, thief), at=104.0)
    assert_expires(seen, 119.0)
    assert_expires(seen.observe(at(3, blanked(thief)), at=105.0), 119.0)
    assert_expires(seen.observe(None, at=105.0), 119.0)
    second = replace(thief, holder="other", transitions=2)
    assert_expires(seen.observe(at(3, second), at=105.0), 119.0)


def test_s12_who_was_displaced_waits_for_nobody() -> None:
    seen = FRESH.observe(at(1, ours("me")), at=100.0)
    thief = replace(ours("me"), holder="go", transitions=1, duration=2.0)
    assert_expires(seen.observe(at(2, thief), at=104.0), 106.0)


def test_s12_who_lets_a_lease_of_ours_expire_owes_it_nothing() -> None:
    peer = replace(ours(), holder="go", transitions=1, duration=3.0)
    seen = FRESH.observe(at(1, ours()), at=100.0).observe(at(2, peer), at=115.0)
    assert_expires(seen, 118.0)
    seen = seen.observe(at(3, blanked(peer)), at=116.0)
    assert isinstance(decide(seen, 116.0), Take)


def test_s12_who_takes_a_lease_that_was_released_unseen_owes_it_nothing() -> None:
    peer = replace(release(ours(), wall=1e9 + 5), holder="go", transitions=1)
    seen = FRESH.observe(at(1, ours()), at=100.0)
    seen = seen.observe(at(3, replace(peer, duration=3.0)), at=104.0)
    assert_expires(seen, 107.0)


def test_s12_our_own_ended_term_is_taken_at_once() -> None:
    record = ours("me")
    mine = TermId(
        identity="me",
        uid="u",
        acquire_time=record.acquire_time or "",
        transitions=0,
    )
    seen = FRESH.observe(at(1, record), at=100.0)
    verdict = decide(seen, 100.0, mine=mine)
    assert isinstance(verdict, Take)
    assert verdict.over == at(1, record)
    other = replace(mine, transitions=1)
    assert isinstance(decide(seen, 100.0, mine=other), Wait)


@pytest.mark.parametrize("after", [at(2, blanked(ours("me"))), None])
def test_s12_our_own_blanked_or_deleted_term_is_taken_at_once(
    after: Stored | None,
) -> None:
    seen = FRESH.observe(at(1, ours("me")), at=100.0).observe(after, at=101.0)
    assert isinstance(decide(seen, 101.0), Take)


# A coordinator elects -----------------------------------------------------------


@pytest.mark.parametrize("holder", ["", "go"])
def test_a_lease_with_a_strategy_is_left_to_its_coordinator(holder: str) -> None:
    record = foreign(holder, strategy="OldestEmulationVersion")
    verdict = decide(FRESH.observe(at(1, record), at=100.0), 1e9)
    assert isinstance(verdict, Wait)
    assert verdict.until is None
    assert "OldestEmulationVersion" in verdict.why


# S16 --------------------------------------------------------------------------


def test_s16_a_version_lower_than_one_seen_is_stale() -> None:
    seen = FRESH.observe(at(10, foreign()), at=100.0)
    assert seen.is_stale(at(9, foreign()))
    assert not seen.is_stale(at(10, foreign()))
    assert not seen.is_stale(None)
    assert not seen.is_stale(replace(at(1, foreign()), version=None))


@pytest.mark.parametrize("record", [Record(), foreign(), ours("me"), None])
def test_s16_after_a_roll_back_everybody_waits_one_lease_duration(
    record: Record | None,
) -> None:
    seen = FRESH.observe(at(10, foreign(duration=40.0)), at=100.0)
    seen = seen.roll_back(None if record is None else at(5, record), at=110.0)
    verdict = decide(seen, 149.9)
    assert isinstance(verdict, Wait)
    assert verdict.until == pytest.approx(150.0)
    assert isinstance(decide(seen, 150.0), Take)


def test_s16_after_a_roll_back_the_holder_that_it_shows_is_waited_for() -> None:
    seen = FRESH.observe(at(10, foreign("go")), at=100.0)
    seen = seen.roll_back(at(5, foreign("other", duration=60.0)), at=110.0)
    assert_expires(seen, 170.0)
    assert decide(seen, 160.0) == Wait(until=170.0, why="held", holder="other")


def test_s16_after_a_roll_back_lower_versions_are_news_again() -> None:
    seen = FRESH.observe(at(10, replace(foreign(), token=99)), at=100.0)
    seen = seen.roll_back(at(5, Record()), at=110.0)
    assert not seen.is_stale(at(6, Record()))
    assert seen.highest_token == 99


# S17 --------------------------------------------------------------------------


def test_s17_the_token_is_the_largest_of_all_that_is_known() -> None:
    seen = FRESH.observe(at(10, replace(foreign(), token=20)), at=100.0)
    assert mint_token(FRESH, at(11, Record())) == 11
    assert mint_token(FRESH, at(11, Record(token=30))) == 31
    assert mint_token(seen, at(11, Record())) == 21
    assert mint_token(seen, at(50, Record())) == 50


def test_s17_the_token_is_positive_even_when_nothing_is_known() -> None:
    unknown = replace(at(0, Record()), version=None)
    assert mint_token(FRESH, unknown) == 1


def test_s17_the_token_grows_across_deletion_and_a_store_that_forgets() -> None:
    seen = FRESH.observe(at(10, replace(foreign(), token=500)), at=100.0)
    seen = seen.observe(None, at=101.0)
    assert mint_token(seen, at(11, Record(), uid="v")) == 501
    seen = seen.roll_back(None, at=102.0)
    assert mint_token(seen, at(1, Record(), uid="w")) == 501


# What is told -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "now", "told"),
    [
        (FRESH, 100.0, ("the lease is free", "")),
        (FRESH.observe(at(1, foreign()), at=100.0), 101.0, ("held", "go")),
        (
            FRESH.observe(at(1, foreign()), at=100.0),
            115.0,
            ("the lease of go expired", ""),
        ),
        (
            FRESH.observe(at(1, ours()), at=100.0).observe(None, at=101.0),
            102.0,
            ("b lost the record without releasing it", "b"),
        ),
        (
            FRESH.observe(at(2, foreign()), at=99.0).roll_back(None, at=100.0),
            101.0,
            ("the store was rolled back", ""),
        ),
    ],
)
def test_each_verdict_says_why_and_for_whom(
    seen: Observation, now: float, told: tuple[str, str]
) -> None:
    verdict = decide(seen, now)
    holder = verdict.holder if isinstance(verdict, Wait) else ""
    assert (verdict.why, holder) == told


def test_our_own_ended_term_is_named_as_such() -> None:
    record = ours("me")
    term = TermId(
        identity="me", uid="u", acquire_time=record.acquire_time or "", transitions=0
    )
    verdict = decide(FRESH.observe(at(1, record), at=100.0), 101.0, mine=term)
    assert verdict == Take(over=at(1, record), why="it is our own, from an ended term")


# A leader's own record ----------------------------------------------------------

TERM = TermId(identity="me", uid="u", acquire_time="t", transitions=1)


@pytest.mark.parametrize(
    ("stored", "verdict"),
    [
        (at(1, foreign("me")), Kept(duration=15.0)),
        (at(1, foreign("me", renew_time="x")), Kept(duration=15.0)),
        (at(1, foreign("me", duration=None)), Kept(duration=None)),
        (at(1, foreign("me", duration=3.0)), Kept(duration=3.0)),
        (at(1, foreign("me", preferred_holder="me")), Kept(duration=15.0)),
        (None, Lost(reason=LossReason.DELETED)),
        (at(1, foreign("")), Lost(reason=LossReason.BLANKED)),
        (at(1, foreign("me2")), Lost(reason=LossReason.STOLEN, holder="me2")),
        (
            at(1, foreign("me", acquire_time="x")),
            Lost(reason=LossReason.EDITED, holder="me"),
        ),
        (
            at(1, foreign("me", transitions=2)),
            Lost(reason=LossReason.EDITED, holder="me"),
        ),
        (
            at(1, foreign("me"), uid="v"),
            Lost(reason=LossReason.EDITED, holder="me"),
        ),
        (
            at(1, foreign("me", strategy="Oldest")),
            Unwanted(why="a coordinator elects (Oldest)"),
        ),
        (
            at(1, foreign("me", preferred_holder="you")),
            Unwanted(why="you is preferred"),
        ),
    ],
)
def test_s3_a_leader_judges_its_own_record(
    stored: Stored | None, verdict: object
) -> None:
    assert judge_own(TERM, stored) == verdict


def test_a_renewal_keeps_the_term_and_a_release_ends_it() -> None:
    record = ours("me")
    term = TermId(
        identity="me", uid="u", acquire_time=record.acquire_time or "", transitions=0
    )
    after = renewal(record, duration=15.0, wall=1e9 + 3, token=4)
    assert judge_own(term, at(2, after)) == Kept(duration=15.0)
    freed = release(after, wall=1e9 + 6)
    assert judge_own(term, at(3, freed)) == Lost(reason=LossReason.BLANKED)
