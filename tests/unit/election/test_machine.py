"""
The election of one candidate: rule by rule.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any, TypeVar

import pytest

from k8s_leader.election import events as ev
from k8s_leader.election.events import Action, Event, State
from k8s_leader.election.machine import Election
from k8s_leader.election.observation import LossReason
from k8s_leader.election.timing import Timing
from k8s_leader.errors import IllegalEventError

TIMING = Timing.derive(15.0)
T0 = 1000.0
A = TypeVar("A")

EVENTS: tuple[Event, ...] = (
    ev.Start(),
    ev.Resume(grant=TIMING.grant(token=1, sent=T0), timing=TIMING),
    ev.Wake(),
    ev.Tick(),
    ev.Won(token=1, sent=T0, timing=TIMING),
    ev.NotWon(retry_at=None),
    ev.AttemptFailed(retry_at=T0 + 2),
    ev.Renewed(sent=T0),
    ev.RenewFailed(retry_at=T0 + 2),
    ev.Doubt(),
    ev.LeaseLost(reason=LossReason.STOLEN),
    ev.LeaseShortened(duration=10.0),
    ev.StepDown(),
    ev.Stop(),
    ev.WorkloadGone(),
    ev.WorkloadStuck(),
    ev.Released(),
    ev.ReleaseFailed(retry_at=T0 + 1),
)


def one(actions: tuple[Action, ...], kind: type[A]) -> A:
    found = [action for action in actions if isinstance(action, kind)]
    assert len(found) == 1, actions
    return found[0]


def kinds(actions: tuple[Action, ...]) -> list[type[Any]]:
    return [type(action) for action in actions]


def acquiring() -> Election:
    election = Election(timing=TIMING)
    assert election.handle(ev.Start(), T0) == (ev.Acquire(deadline=T0 + 3.0),)
    return election


def standby() -> Election:
    election = acquiring()
    election.handle(ev.NotWon(retry_at=T0 + 9), T0)
    return election


def leading(*, token: int | None = 7) -> Election:
    election = acquiring()
    won = ev.Won(token=token, sent=T0, timing=TIMING)
    actions = election.handle(won, T0 + 0.1)
    assert one(actions, ev.StartWorkload).grant == TIMING.grant(token=token, sent=T0)
    assert one(actions, ev.WakeAt).at == pytest.approx(T0 + 3.0)
    return election


def stopping() -> Election:
    election = leading()
    actions = election.handle(ev.Stop(), T0 + 1)
    assert one(actions, ev.StopWorkload).budget == 25.0
    return election


def losing() -> Election:
    election = leading()
    election.handle(ev.Tick(), T0 + 10.01)
    return election


def releasing() -> Election:
    election = leading()
    actions = election.handle(ev.WorkloadGone(), T0 + 1)
    assert actions == (ev.Release(deadline=T0 + 4.0),)
    return election


def stopped() -> Election:
    election = Election(timing=TIMING)
    assert election.handle(ev.Stop(), T0) == (ev.Finish(),)
    return election


STATES = {
    State.IDLE: lambda: Election(timing=TIMING),
    State.STANDBY: standby,
    State.ACQUIRING: acquiring,
    State.LEADING: leading,
    State.STOPPING: stopping,
    State.LOSING: losing,
    State.RELEASING: releasing,
    State.STOPPED: stopped,
}


def test_there_is_a_way_into_every_state() -> None:
    assert set(STATES) == set(State)
    for state, make in STATES.items():
        assert make().state is state


@pytest.mark.parametrize(
    ("state", "event"),
    list(itertools.product(State, EVENTS)),
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_every_event_is_handled_or_raises_and_changes_nothing(
    state: State, event: Event
) -> None:
    election = STATES[state]()
    before = copy.deepcopy(vars(election))
    try:
        election.handle(event, T0 + 1.5)
    except IllegalEventError as exc:
        assert type(event).__name__ in str(exc)
        assert state.value in str(exc)
        assert vars(election) == before


def test_without_a_grant_nothing_can_be_extended() -> None:
    with pytest.raises(IllegalEventError, match="no grant in state idle"):
        Election(timing=TIMING)._held()


# Standby ------------------------------------------------------------------------


def test_a_standby_tries_when_the_lease_may_expire() -> None:
    election = acquiring()
    actions = election.handle(ev.NotWon(retry_at=T0 + 9), T0)
    assert actions == (ev.WakeAt(at=T0 + 9),)
    assert election.handle(ev.Tick(), T0 + 8.9) == (ev.WakeAt(at=T0 + 9),)
    assert kinds(election.handle(ev.Tick(), T0 + 9)) == [ev.Acquire]


@pytest.mark.parametrize("retry_at", [None, T0 + 900])
def test_a_standby_tries_at_least_every_acquire_every(retry_at: float | None) -> None:
    actions = acquiring().handle(ev.NotWon(retry_at=retry_at), T0)
    assert actions == (ev.WakeAt(at=T0 + 15.0),)


def test_a_standby_that_is_woken_tries_at_once() -> None:
    assert kinds(standby().handle(ev.Wake(), T0 + 1)) == [ev.Acquire]


def test_a_wake_during_an_attempt_makes_for_another_one() -> None:
    election = acquiring()
    assert election.handle(ev.Wake(), T0) == ()
    assert kinds(election.handle(ev.NotWon(retry_at=None), T0 + 1)) == [ev.Acquire]
    assert kinds(election.handle(ev.NotWon(retry_at=None), T0 + 2)) == [ev.WakeAt]


def test_a_failed_attempt_is_tried_again_when_it_says() -> None:
    actions = acquiring().handle(ev.AttemptFailed(retry_at=T0 + 2.2), T0 + 1)
    assert actions == (ev.WakeAt(at=T0 + 2.2),)


def test_a_standby_that_is_sent_away_for_hours_asks_every_acquire_every() -> None:
    election = acquiring()
    actions = election.handle(ev.AttemptFailed(retry_at=T0 + 3600), T0 + 1)
    assert actions == (ev.WakeAt(at=T0 + 1 + TIMING.acquire_every),)


def test_a_tick_during_an_attempt_does_nothing() -> None:
    assert acquiring().handle(ev.Tick(), T0 + 1) == ()


# S1, S6 -------------------------------------------------------------------------


def test_s1_a_grant_counts_from_when_the_request_was_sent() -> None:
    election = acquiring()
    won = ev.Won(token=7, sent=T0, timing=TIMING)
    actions = election.handle(won, T0 + 2.9)
    assert one(actions, ev.StartWorkload).grant.until == pytest.approx(T0 + 13.7)


def test_s1_an_extension_counts_from_when_the_renewal_was_sent() -> None:
    election = leading()
    election.handle(ev.Tick(), T0 + 3)
    actions = election.handle(ev.Renewed(sent=T0 + 3), T0 + 5.5)
    grant = one(actions, ev.ExtendGrant).grant
    assert grant == TIMING.grant(token=7, sent=T0 + 3)
    assert one(actions, ev.WakeAt).at == pytest.approx(T0 + 6)


def test_s6_a_request_is_bounded_by_the_time_left_to_the_deadline() -> None:
    election = leading()
    actions = election.handle(ev.Tick(), T0 + 3)
    assert one(actions, ev.Renew).deadline == pytest.approx(T0 + 6)
    election.handle(ev.RenewFailed(retry_at=T0 + 8.5), T0 + 6)
    actions = election.handle(ev.Tick(), T0 + 8.5)
    assert one(actions, ev.Renew).deadline == pytest.approx(T0 + 10)


def test_s6_a_late_reply_is_no_success() -> None:
    election = leading()
    election.handle(ev.Tick(), T0 + 8)
    before = election.grant
    actions = election.handle(ev.Renewed(sent=T0 + 8), T0 + 10.5)
    assert kinds(actions) == [ev.StopWorkload]
    assert election.state is State.LOSING
    assert election.grant == before


def test_s6_a_lease_that_is_won_too_late_is_released_again() -> None:
    election = acquiring()
    actions = election.handle(ev.Won(token=7, sent=T0, timing=TIMING), T0 + 10)
    assert kinds(actions) == [ev.Release]
    actions = election.handle(ev.Released(), T0 + 11)
    assert kinds(actions) == [ev.Acquire]
    assert election.grant is None


def test_the_won_terms_own_timing_counts() -> None:
    election, long = acquiring(), Timing.derive(60.0)
    actions = election.handle(ev.Won(token=7, sent=T0, timing=long), T0 + 30)
    assert one(actions, ev.StartWorkload).grant.stop_at == pytest.approx(T0 + 40)


def test_s1_after_a_jump_of_the_clocks_the_lease_is_confirmed_at_once() -> None:
    election = leading()
    assert kinds(election.handle(ev.Doubt(), T0 + 1))[:1] == [ev.Renew]


def test_s1_a_renewal_sent_before_a_jump_of_the_clocks_proves_nothing() -> None:
    election = leading()
    election.handle(ev.Tick(), T0 + 3)
    actions = election.handle(ev.Doubt(), T0 + 3.5)
    assert kinds(actions)[:2] == [ev.Cancel, ev.Renew]


# S2 -----------------------------------------------------------------------------


def test_s2_at_the_deadline_the_workload_is_stopped_with_kill_time() -> None:
    election = leading()
    stop = one(election.handle(ev.Tick(), T0 + 10), ev.StopWorkload)
    assert stop.budget == pytest.approx(2.25)
    assert stop.why == "deadline"
    assert election.state is State.LOSING


def test_s2_a_deadline_noticed_late_leaves_only_what_is_left() -> None:
    stop = one(leading().handle(ev.Tick(), T0 + 11), ev.StopWorkload)
    assert stop.budget == pytest.approx(1.25)
    stop = one(leading().handle(ev.Tick(), T0 + 100), ev.StopWorkload)
    assert stop.budget == 0.0


def test_s2_a_stop_that_comes_after_the_deadline_gives_no_more_time() -> None:
    actions = leading().handle(ev.Stop(), T0 + 11)
    assert kinds(actions) == [ev.StopWorkload]
    assert one(actions, ev.StopWorkload).budget == pytest.approx(1.25)


def test_s2_a_renewal_under_way_at_the_deadline_is_dropped() -> None:
    election = leading()
    election.handle(ev.Tick(), T0 + 8)
    assert kinds(election.handle(ev.Tick(), T0 + 10)) == [ev.StopWorkload, ev.Cancel]


def test_s2_failed_renewals_are_tried_again_until_the_deadline() -> None:
    election = leading()
    election.handle(ev.Tick(), T0 + 3)
    actions = election.handle(ev.RenewFailed(retry_at=T0 + 8), T0 + 6)
    assert actions == (ev.WakeAt(at=T0 + 8),)
    actions = election.handle(ev.Tick(), T0 + 8)
    assert [kind.__name__ for kind in kinds(actions)] == ["Renew", "WakeAt"]
    assert one(actions, ev.WakeAt).at == pytest.approx(T0 + 10)
    actions = election.handle(ev.RenewFailed(retry_at=T0 + 20), T0 + 9)
    assert actions == (ev.WakeAt(at=T0 + 10),)


def test_s2_a_leader_that_is_sent_away_for_too_long_tries_once_more_in_time() -> None:
    election = leading()
    election.handle(ev.Tick(), T0 + 3)
    actions = election.handle(ev.RenewFailed(retry_at=T0 + 60), T0 + 3.5)
    last_call = T0 + TIMING.renew_deadline - TIMING.request_timeout
    assert one(actions, ev.WakeAt).at == pytest.approx(last_call)
    renew = one(election.handle(ev.Tick(), last_call), ev.Renew)
    assert renew.deadline == pytest.approx(T0 + TIMING.renew_deadline)


def test_s2_a_leader_that_is_sent_away_again_goes_on_at_the_usual_pace() -> None:
    election = leading()
    election.handle(ev.Tick(), T0 + 7)
    actions = election.handle(ev.RenewFailed(retry_at=T0 + 60), T0 + 7.5)
    assert one(actions, ev.WakeAt).at == pytest.approx(T0 + 9.5)


def test_s2_a_leader_that_is_sent_away_for_a_moment_waits_that_long() -> None:
    election = leading()
    election.handle(ev.Tick(), T0 + 3)
    actions = election.handle(ev.RenewFailed(retry_at=T0 + 6), T0 + 3.1)
    assert one(actions, ev.WakeAt).at == T0 + 6


# S3 -----------------------------------------------------------------------------


@pytest.mark.parametrize("reason", LossReason)
@pytest.mark.parametrize("make", [leading, stopping])
def test_s3_a_lost_record_means_kill_now(make: Any, reason: LossReason) -> None:
    election = make()
    actions = election.handle(ev.LeaseLost(reason=reason), T0 + 2)
    assert actions == (ev.StopWorkload(why=reason.value, budget=0.0),)
    assert election.state is State.LOSING


def test_s3_a_lost_record_after_the_deadline_kills_what_was_given_time() -> None:
    election = losing()
    lost = ev.LeaseLost(reason=LossReason.STOLEN)
    kill = ev.StopWorkload(why="stolen", budget=0.0)
    assert election.handle(lost, T0 + 11) == (kill,)
    assert election.handle(lost, T0 + 11) == ()


def test_s3_coming_back_is_a_new_term() -> None:
    election = leading()
    election.handle(ev.LeaseLost(reason=LossReason.STOLEN), T0 + 2)
    assert kinds(election.handle(ev.WorkloadGone(), T0 + 3)) == [ev.Acquire]
    won = ev.Won(token=8, sent=T0 + 3, timing=TIMING)
    grant = one(election.handle(won, T0 + 3), ev.StartWorkload).grant
    assert grant == TIMING.grant(token=8, sent=T0 + 3)


# S4 -----------------------------------------------------------------------------


def test_s4_a_voluntary_stop_renews_until_the_workload_is_gone() -> None:
    election = stopping()
    now, renewals = T0 + 1.0, 0
    while now < T0 + 20:
        now += 0.5
        actions = election.handle(ev.Tick(), now)
        if ev.Renew in kinds(actions):
            renewals += 1
            extended = election.handle(ev.Renewed(sent=now), now)
            assert ev.ExtendGrant in kinds(extended)
    assert renewals >= 5
    assert kinds(election.handle(ev.WorkloadGone(), now)) == [ev.Release]
    assert election.handle(ev.Released(), now) == (ev.Finish(),)


def test_s4_a_workload_that_outlives_the_stop_timeout_is_killed() -> None:
    election = stopping()
    renew_through(election, T0 + 25.9)
    actions = election.handle(ev.Tick(), T0 + 26)
    assert one(actions, ev.StopWorkload).budget == 0.0
    assert one(actions, ev.WakeAt).at <= T0 + 28.25
    assert ev.StopWorkload not in kinds(election.handle(ev.Tick(), T0 + 26.5))


def test_s4_a_workload_that_cannot_be_killed_ends_the_renewing() -> None:
    election = stopping()
    renew_through(election, T0 + 28.2)
    actions = election.handle(ev.Tick(), T0 + 28.3)
    assert ev.Release not in kinds(actions)
    assert ev.Renew not in kinds(actions)
    assert election.state is State.LOSING


def test_s4_s5_a_stuck_workload_never_releases() -> None:
    election = stopping()
    assert election.handle(ev.WorkloadStuck(), T0 + 30) == ()
    for event in (ev.Tick(), ev.Stop(), ev.Wake(), ev.WorkloadStuck()):
        assert election.handle(event, T0 + 500) == ()
    assert election.state is State.LOSING


def test_s4_a_renewal_under_way_is_dropped_when_the_workload_is_stuck() -> None:
    election = stopping()
    election.handle(ev.Tick(), T0 + 3)
    assert election.handle(ev.WorkloadStuck(), T0 + 4) == (ev.Cancel(),)


def test_s4_a_stop_by_the_deadline_is_involuntary() -> None:
    election = stopping()
    actions = election.handle(ev.Tick(), T0 + 10)
    assert one(actions, ev.StopWorkload).budget == pytest.approx(2.25)
    assert election.state is State.LOSING


def test_a_second_stop_kills() -> None:
    election = stopping()
    actions = election.handle(ev.Stop(), T0 + 2)
    assert one(actions, ev.StopWorkload).budget == 0.0
    assert ev.StopWorkload not in kinds(election.handle(ev.Stop(), T0 + 2.1))


def test_a_stop_after_a_step_down_is_the_first_one() -> None:
    election = leading()
    election.handle(ev.StepDown(backoff=5.0), T0 + 1)
    assert election.handle(ev.Stop(), T0 + 2) == ()
    election.handle(ev.WorkloadGone(), T0 + 3)
    assert election.handle(ev.Released(), T0 + 3) == (ev.Finish(),)


# S5 -----------------------------------------------------------------------------


def test_s5_nothing_is_released_before_the_workload_is_gone() -> None:
    for make in (leading, stopping, losing):
        for event in EVENTS:
            election = make()
            if isinstance(event, ev.WorkloadGone):
                continue
            try:
                assert ev.Release not in kinds(election.handle(event, T0 + 2))
            except IllegalEventError:
                continue


def test_s5_a_renewal_under_way_is_dropped_before_the_release() -> None:
    election = stopping()
    election.handle(ev.Tick(), T0 + 3)
    actions = election.handle(ev.WorkloadGone(), T0 + 3.1)
    assert kinds(actions) == [ev.Cancel, ev.Release]


def test_s5_a_foreign_record_is_not_released() -> None:
    election = stopping()
    election.handle(ev.LeaseLost(reason=LossReason.STOLEN), T0 + 2)
    assert election.handle(ev.WorkloadGone(), T0 + 3) == (ev.Finish(),)


def test_s5_a_leaver_that_lost_by_the_deadline_releases_when_gone() -> None:
    election = losing()
    assert election.handle(ev.Stop(), T0 + 11) == ()
    assert kinds(election.handle(ev.WorkloadGone(), T0 + 12)) == [ev.Release]
    assert election.handle(ev.Released(), T0 + 12) == (ev.Finish(),)


def test_a_release_is_tried_again_until_the_grant_ends() -> None:
    election = releasing()
    actions = election.handle(ev.ReleaseFailed(retry_at=T0 + 5), T0 + 4)
    assert actions == (ev.WakeAt(at=T0 + 5),)
    assert election.handle(ev.Tick(), T0 + 4.5) == ()
    assert kinds(election.handle(ev.Tick(), T0 + 5)) == [ev.Release]
    assert election.handle(ev.Tick(), T0 + 6) == ()  # it is under way
    actions = election.handle(ev.ReleaseFailed(retry_at=T0 + 13.8), T0 + 13)
    assert kinds(actions) == [ev.Acquire]  # it expires by itself


def test_a_release_is_not_tried_again_at_the_instant_of_the_expiry() -> None:
    election = releasing()
    until = TIMING.grant(token=7, sent=T0).until
    actions = election.handle(ev.ReleaseFailed(retry_at=until), T0 + 4)
    assert kinds(actions) == [ev.Acquire]


def test_the_term_after_a_release_is_renewed_like_the_first() -> None:
    election = releasing()
    election.handle(ev.Released(), T0 + 2)
    won = ev.Won(token=8, sent=T0 + 2, timing=TIMING)
    assert one(election.handle(won, T0 + 2.1), ev.StartWorkload).grant.token == 8
    assert kinds(election.handle(ev.Tick(), T0 + 5.1))[0] is ev.Renew


def test_the_term_after_a_failed_release_is_renewed_like_the_first() -> None:
    election = releasing()
    election.handle(ev.ReleaseFailed(retry_at=T0 + 20), T0 + 14)
    election.handle(ev.Won(token=8, sent=T0 + 14, timing=TIMING), T0 + 14.1)
    assert kinds(election.handle(ev.Tick(), T0 + 17.1))[0] is ev.Renew


def test_a_stop_while_releasing_finishes_after_it() -> None:
    election = releasing()
    assert election.handle(ev.Stop(), T0 + 2) == ()
    assert election.handle(ev.Released(), T0 + 3) == (ev.Finish(),)


# S8 -----------------------------------------------------------------------------


def test_s8_a_shortened_record_shortens_the_grant_and_is_written_anew() -> None:
    election = leading()
    actions = election.handle(ev.LeaseShortened(duration=8.0), T0 + 1)
    grant = one(actions, ev.ExtendGrant).grant
    assert grant.until == pytest.approx(T0 + 6.7)
    assert grant.stop_at == pytest.approx(T0 + 4.45)
    assert one(actions, ev.Renew).deadline == pytest.approx(T0 + 4.0)
    actions = election.handle(ev.Renewed(sent=T0 + 1), T0 + 1.5)
    assert one(actions, ev.ExtendGrant).grant.until == pytest.approx(T0 + 14.7)


def test_s8_a_renewal_sent_before_the_record_was_shortened_does_not_count() -> None:
    """
    Its answer may tell of a write that the foreign edit followed.
    """
    election = leading()
    one(election.handle(ev.Tick(), T0 + 3), ev.Renew)
    actions = election.handle(ev.LeaseShortened(duration=10.0), T0 + 3.5)
    assert [each for each in kinds(actions) if each is not ev.WakeAt] == [
        ev.ExtendGrant,
        ev.Cancel,
        ev.Renew,
    ]


def test_s8_a_record_shortened_into_the_past_kills() -> None:
    election = leading()
    actions = election.handle(ev.LeaseShortened(duration=3.0), T0 + 2)
    assert actions == (ev.StopWorkload(why="edited", budget=0.0),)


def test_s8_a_record_shortened_close_to_now_is_killed_before_its_end() -> None:
    actions = leading().handle(ev.LeaseShortened(duration=5.0), T0 + 3)
    stop = one(actions, ev.StopWorkload)
    assert T0 + 3 + stop.budget <= T0 + 5 - TIMING.safety_margin + 1e-9


def test_s8_a_longer_record_lengthens_nothing() -> None:
    election = leading()
    before = election.grant
    election.handle(ev.LeaseShortened(duration=90.0), T0 + 1)
    assert election.grant == before


# S15, the rest ------------------------------------------------------------------


def test_s15_the_lease_is_asked_for_only_without_a_workload() -> None:
    for make in (leading, stopping, losing, releasing):
        for event in EVENTS:
            election = make()
            if isinstance(event, ev.WorkloadGone | ev.Released):
                continue
            try:
                assert ev.Acquire not in kinds(election.handle(event, T0 + 2))
            except IllegalEventError:
                continue


def test_a_workload_that_ends_by_itself_releases_and_stays_out() -> None:
    election = leading()
    actions = election.handle(ev.WorkloadGone(backoff=10.0), T0 + 1)
    assert kinds(actions) == [ev.Release]
    assert election.handle(ev.Released(), T0 + 2) == (ev.WakeAt(at=T0 + 12),)


def test_who_stepped_down_stays_out_for_the_back_off() -> None:
    election = leading()
    election.handle(ev.StepDown(backoff=5.0), T0 + 1)
    election.handle(ev.WorkloadGone(), T0 + 2)
    assert election.handle(ev.Released(), T0 + 3) == (ev.WakeAt(at=T0 + 8),)
    assert election.handle(ev.Wake(), T0 + 4) == (ev.WakeAt(at=T0 + 8),)
    assert kinds(election.handle(ev.Tick(), T0 + 8)) == [ev.Acquire]


def test_the_back_off_ends_with_the_next_term() -> None:
    election = leading()
    election.handle(ev.StepDown(backoff=5.0), T0 + 1)
    election.handle(ev.WorkloadGone(), T0 + 2)
    election.handle(ev.Released(), T0 + 3)
    election.handle(ev.Tick(), T0 + 8)
    election.handle(ev.Won(token=8, sent=T0 + 8, timing=TIMING), T0 + 8)
    election.handle(ev.LeaseLost(reason=LossReason.STOLEN), T0 + 9)
    assert kinds(election.handle(ev.WorkloadGone(), T0 + 10)) == [ev.Acquire]


def test_a_stop_on_standby_finishes_at_once() -> None:
    assert standby().handle(ev.Stop(), T0 + 1) == (ev.Finish(),)


@pytest.mark.parametrize(
    "answer", [ev.NotWon(retry_at=None), ev.AttemptFailed(retry_at=T0 + 5)]
)
def test_a_stop_while_acquiring_waits_for_the_answer(answer: Event) -> None:
    election = acquiring()
    assert election.handle(ev.Stop(), T0 + 1) == (ev.WakeAt(at=T0 + 1.5),)
    assert election.handle(ev.Stop(), T0 + 1.2) == (ev.WakeAt(at=T0 + 1.5),)
    assert election.handle(ev.Tick(), T0 + 1.3) == ()
    assert election.handle(answer, T0 + 1.4) == (ev.Finish(),)


def test_a_stop_while_acquiring_does_not_wait_for_long() -> None:
    election = acquiring()
    election.handle(ev.Stop(), T0 + 1)
    assert election.handle(ev.Tick(), T0 + 1.5) == (ev.Cancel(), ev.Finish())


def test_a_lease_won_after_a_stop_is_released() -> None:
    election = acquiring()
    election.handle(ev.Stop(), T0 + 1)
    won = ev.Won(token=7, sent=T0, timing=TIMING)
    assert kinds(election.handle(won, T0 + 1.2)) == [ev.Release]
    assert election.handle(ev.Released(), T0 + 1.3) == (ev.Finish(),)


def test_s16_a_resumed_term_is_renewed_at_once() -> None:
    election = Election(timing=Timing.derive(60.0))
    grant = TIMING.grant(token=7, sent=T0)
    actions = election.handle(ev.Resume(grant=grant, timing=TIMING), T0 + 4)
    assert [kind.__name__ for kind in kinds(actions)] == ["Renew", "WakeAt"]
    actions = election.handle(ev.Renewed(sent=T0 + 4), T0 + 4.2)
    extended = one(actions, ev.ExtendGrant).grant
    assert extended == TIMING.grant(token=7, sent=T0 + 4)


def test_s16_a_term_resumed_after_its_deadline_is_lost() -> None:
    election = Election(timing=TIMING)
    resume = ev.Resume(grant=TIMING.grant(token=7, sent=T0), timing=TIMING)
    assert kinds(election.handle(resume, T0 + 11)) == [ev.StopWorkload]


def renew_through(election: Election, until: float) -> None:
    now = T0 + 1.0
    while now + 0.5 < until:
        now += 0.5
        if ev.Renew in kinds(election.handle(ev.Tick(), now)):
            election.handle(ev.Renewed(sent=now), now)
