"""
The check of a history sees what it is there for, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.history import Beat, Gap, History, State, Trouble, Verdict, check

A, B = "a_1", "b_1"


def beats(identity: str, token: int, first: float, last: float) -> list[Beat]:
    return [Beat(at=at, token=token, identity=identity) for at in (first, last)]


def holds(identity: str, at: float, *, renewed: float | None = None) -> State:
    sent = at if renewed is None else renewed
    return State(holder=identity, duration=5.0, renewed=sent, acquired=at)


def freed(at: float, by: str = "") -> State:
    return State(holder="", duration=1.0, renewed=at, acquired=at, released_by=by)


def judged(
    written: list[Beat],
    *,
    states: list[State] | None = None,
    troubles: tuple[Trouble, ...] = (),
    gaps: tuple[Gap, ...] = (),
    holes: tuple[float, ...] = (),
) -> Verdict:
    return check(
        History(
            beats=written,
            states=states or [],
            troubles=troubles,
            gaps=gaps,
            holes=holes,
            lease_duration=5.0,
        )
    )


def kinds(verdict: Verdict) -> set[str]:
    return {line.partition(":")[0] for line in verdict.broken}


def test_terms_one_after_the_other_hold() -> None:
    written = [*beats(A, 5, 1.0, 3.0), *beats(B, 9, 3.01, 7.0)]
    states = [holds(A, 0.9), freed(3.005, by=A), holds(B, 3.006)]
    verdict = judged(written, states=states)
    assert verdict.broken == []
    assert [span.token for span in verdict.spans] == [5, 9]
    assert verdict.refused == 0


def test_an_overlap_of_one_instant_is_found() -> None:
    written = [*beats(A, 5, 1.0, 3.0), *beats(B, 9, 3.0, 7.0)]
    assert kinds(judged(written)) == {"overlap"}


def test_an_overlap_that_is_not_of_neighbours_is_found() -> None:
    written = [*beats(A, 5, 1.0, 9.0), *beats(B, 9, 2.0, 3.0), *beats("c_1", 11, 4, 5)]
    assert len(judged(written).broken) == 2


def test_an_overlap_is_excused_only_within_its_trouble_and_by_whom_it_concerns() -> (
    None
):
    written = [*beats(A, 5, 1.0, 3.0), *beats(B, 9, 2.5, 7.0)]
    near = Trouble(kind="freeze_guard", begin=2.0, end=3.5, who="a")
    verdict = judged(written, troubles=(near,))
    assert verdict.broken == []
    assert verdict.outside == [0.5]
    assert verdict.refused == 1
    for other in (
        Trouble(kind="freeze_guard", begin=2.0, end=2.9, who="a"),
        Trouble(kind="freeze_guard", begin=2.7, end=9.0, who="a"),
        Trouble(kind="freeze_guard", begin=2.0, end=9.0, who="c"),
    ):
        assert kinds(judged(written, troubles=(other,))) == {"overlap"}


def test_a_token_that_does_not_grow_is_found() -> None:
    written = [*beats(A, 9, 1.0, 3.0), *beats(B, 9, 4.0, 7.0)]
    assert kinds(judged(written)) == {"tokens"}
    everywhere = (Trouble(kind="delete", begin=0.0, end=99.0),)
    assert kinds(judged(written, troubles=everywhere)) == {"tokens"}


def test_a_workload_that_writes_after_its_grant_is_found() -> None:
    written = beats(A, 5, 1.0, 7.2)
    states = [holds(A, 1.0), holds(A, 1.0, renewed=2.1)]
    assert kinds(judged(written, states=states)) == {"grant"}
    states.append(holds(A, 1.0, renewed=2.3))
    assert judged(written, states=states).broken == []


def test_a_later_term_of_the_same_candidate_excuses_nothing() -> None:
    written = [*beats(A, 5, 1.0, 7.2), *beats(A, 9, 20.1, 21.0)]
    states = [holds(A, 1.0), holds(A, 20.0)]
    assert kinds(judged(written, states=states)) == {"grant"}
    # The second term was released in the time of the first one's workload.
    states = [holds(A, 1.0), freed(6.0, by=A), holds(A, 20.0)]
    assert kinds(judged(written, states=states)) == {"grant", "release"}


def test_a_release_is_that_of_its_own_term() -> None:
    written = [*beats(A, 5, 1.0, 2.0), *beats(A, 9, 3.1, 4.0)]
    states = [holds(A, 1.0), freed(2.1, by=A), holds(A, 3.0)]
    assert judged(written, states=states).broken == []


def test_a_term_that_may_lie_in_a_hole_of_the_history_is_not_judged() -> None:
    written = [*beats(A, 5, 1.0, 2.0), *beats(A, 9, 50.0, 51.0)]
    states = [holds(A, 1.0)]
    assert kinds(judged(written, states=states)) == {"grant"}
    beside = judged(written, states=states, holes=(52.0,))
    assert (beside.broken, beside.unjudged) == ([], 1)
    elsewhere = judged(written, states=states, holes=(95.0,))
    assert (kinds(elsewhere), elsewhere.unjudged) == ({"grant"}, 0)


def test_a_workload_without_a_record_is_found_after_a_hole_too() -> None:
    written = beats(A, 5, 100.0, 101.0)
    found = judged(written, states=[holds(B, 1.0)], holes=(50.0,))
    assert kinds(found) == {"grant"}


def test_renewals_that_may_lie_in_a_hole_end_no_grant() -> None:
    written = beats(A, 5, 1.0, 90.0)
    assert kinds(judged(written, states=[holds(A, 0.9)])) == {"grant"}
    found = judged(written, states=[holds(A, 0.9)], holes=(60.0,))
    assert (found.broken, found.unjudged) == ([], 1)


def test_states_before_and_after_a_hole_are_no_neighbours() -> None:
    states = [holds("peer", 1.0), replace(holds(B, 2.0), after_hole=True)]
    assert judged(beats(B, 5, 2.1, 3.0), states=states).broken == []


def test_a_workload_without_a_record_is_found() -> None:
    assert kinds(judged(beats(A, 5, 1, 2), states=[holds(B, 1.0)])) == {"grant"}


def test_taking_a_record_before_its_time_is_over_is_found() -> None:
    states = [holds("peer", 1.0), holds(B, 4.9)]
    written = beats(B, 5, 5.0, 6.0)
    assert kinds(judged(written, states=states)) == {"taken"}
    later = beats(B, 5, 6.2, 7.0)
    assert judged(later, states=[holds("peer", 1.0), holds(B, 6.1)]).broken == []
    freely = [holds("peer", 1.0), freed(2.0), holds(B, 2.1)]
    assert judged(written, states=freely).broken == []


def test_what_a_peer_takes_is_its_own_affair() -> None:
    states = [holds(A, 1.0), holds("peer", 2.0)]
    assert judged(beats(A, 5, 1.0, 1.9), states=states).broken == []


def test_a_workload_that_writes_on_under_a_peers_record_is_found() -> None:
    states = [holds(A, 1.0), holds("peer", 2.0)]
    written = beats(A, 5, 1.0, 3.2)
    assert kinds(judged(written, states=states)) == {"overlap"}
    thief = Trouble(kind="steal_lease", begin=1.9, end=9.0)
    assert judged(written, states=states, troubles=(thief,)).broken == []


def test_a_workload_that_writes_after_its_release_is_found() -> None:
    written = beats(A, 5, 1.0, 3.2)
    states = [holds(A, 1.0), freed(3.0, by=A)]
    assert kinds(judged(written, states=states)) == {"release"}
    states = [holds(A, 1.0), freed(3.0)]  # blanked by somebody: no release
    assert judged(written, states=states).broken == []


def test_a_standstill_is_found() -> None:
    gap = Gap(after="kill_guard", seconds=9.0, bound=8.0)
    assert kinds(judged([], gaps=(gap,))) == {"progress"}
