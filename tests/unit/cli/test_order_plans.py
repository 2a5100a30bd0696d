"""
What the commands would order, and what they refuse, by what is seen of a lease.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from typing import Any

import pytest

from k8s_leader.app.lookout import View
from k8s_leader.cli import main
from k8s_leader.cli.arguments import UsageError
from k8s_leader.cli.ordering import Order
from k8s_leader.cli.pause import plan_pause
from k8s_leader.cli.resume import plan_resume
from k8s_leader.cli.step_down import plan_step_down
from k8s_leader.cli.switchover import plan_switchover
from k8s_leader.election.orders import PAUSED, STEP_DOWN, SWITCHOVER
from k8s_leader.election.record import Record
from k8s_leader.errors import LeaseForbiddenError, OrderRefusedError
from tests.unit.cli.test_standings import HELD, candidate, view

FREE = replace(HELD, holder="")
FOREIGN = replace(HELD, holder="go_1", transitions=9)
PAIR = (candidate("a", "a_1"), candidate("b", "b_2"))


def switch(to: str | None, seen: View | None = None, *, force: bool = False) -> Order:
    seen = seen or view(candidates=PAIR)
    return plan_switchover(seen, Namespace(to=to, force=force))


def test_step_down_is_ordered_of_the_very_term() -> None:
    planned = plan_step_down(view(candidates=PAIR), Namespace())
    assert planned.annotations == {STEP_DOWN: "4/a_1"}
    assert planned.warnings == ()
    assert planned.happened is not None
    assert not planned.happened(HELD)
    assert not planned.happened(FREE)
    assert planned.happened(replace(HELD, acquire_time="later"))


def test_a_leader_without_any_other_candidate_is_warned_of() -> None:
    planned = plan_step_down(view(candidates=PAIR[:1]), Namespace())
    assert "it will lead again" in planned.warnings[0]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (FREE, "nobody leads"),
        (FOREIGN, "another elector's"),
        (replace(HELD, paused="true"), "is paused"),
    ],
)
def test_a_leader_that_would_not_obey_is_asked_nothing(
    record: Record, why: str
) -> None:
    seen = view(record, candidates=PAIR)
    with pytest.raises(OrderRefusedError, match=why):
        plan_step_down(seen, Namespace())
    with pytest.raises(OrderRefusedError, match=why):
        switch("b", seen)


@pytest.mark.parametrize("to", ["b", "b_2"])
def test_a_switchover_names_the_term_and_the_target_as_it_was_given(to: str) -> None:
    planned = switch(to)
    assert planned.annotations == {SWITCHOVER: f"{to} from 4/a_1"}
    assert planned.happened is not None
    assert planned.happened(replace(HELD, holder="b_2"))
    assert not planned.happened(replace(HELD, holder="c_3"))


def test_a_container_that_started_again_is_still_the_target() -> None:
    planned = switch("b")  # whose identity was b_2 when it was looked at
    assert planned.happened is not None
    assert planned.happened(replace(HELD, holder="b_3"))


def test_a_pod_whose_candidate_is_called_otherwise_is_named_by_identity() -> None:
    seen = view(candidates=(PAIR[0], candidate("b", "worker_2")))
    assert switch("b", seen).annotations == {SWITCHOVER: "worker_2 from 4/a_1"}


@pytest.mark.parametrize(
    ("to", "other", "why"),
    [
        ("a", {}, "leads prod/.* already"),
        ("z", {}, "Known are: a, b"),
        ("b", {"leaving": True}, "is being deleted"),
    ],
)
def test_a_target_that_cannot_take_it_is_refused(
    to: str, other: dict[str, Any], why: str
) -> None:
    pair = (PAIR[0], candidate("b", "b_2", **other))
    with pytest.raises(OrderRefusedError, match=why):
        switch(to, view(candidates=pair))


def test_an_unknown_target_can_be_forced_but_not_nonsense() -> None:
    assert switch("z", force=True).annotations == {SWITCHOVER: "z from 4/a_1"}
    with pytest.raises(UsageError, match="the name of a Pod"):
        switch("z or y", force=True)
    with pytest.raises(UsageError, match="--to is missing"):
        switch(None)


def test_without_a_view_of_the_candidates_the_missing_right_is_told() -> None:
    blind = LeaseForbiddenError("list pods", rule="the rule")
    with pytest.raises(LeaseForbiddenError, match="the rule"):
        switch("b", view(blind=blind))
    assert switch("b", view(blind=blind), force=True).annotations


def test_a_pause_is_ordered_once_and_warns_of_those_who_do_not_obey() -> None:
    assert plan_pause(view(), Namespace()).annotations == {PAUSED: "true"}
    already = plan_pause(view(replace(HELD, paused="true")), Namespace())
    assert already.annotations == {}
    for record, told in (
        (FOREIGN, "does not obey"),
        (replace(FOREIGN, holder="", our_transitions=4), "another elector shares"),
        (FREE, "nobody will"),
    ):
        assert told in plan_pause(view(record), Namespace()).warnings[0]


@pytest.mark.parametrize("written", ["true", "nonsense"])
def test_resume_takes_away_whatever_was_written(written: str) -> None:
    seen = view(replace(HELD, paused=written))
    assert plan_resume(seen, Namespace()).annotations == {PAUSED: None}
    assert plan_resume(view(), Namespace()).annotations == {}


@pytest.mark.parametrize("command", ["step-down", "switchover", "pause", "resume"])
def test_only_leases_of_kubernetes_take_orders(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "sqlite:/tmp/none.db", "--yes"]) == 78
    assert "a Lease of Kubernetes" in capsys.readouterr().err
