"""
How a workload is asked to stop, and what is told of its end.
"""

from __future__ import annotations

import pytest

from k8s_leader.guard.term import Refusal
from tests.unit.guard.workbench import NOW, Bench


@pytest.mark.parametrize("budget", [None, "soon", [], -1.0, float("nan"), 0, 0.0])
def test_s9_a_stop_without_a_budget_that_makes_sense_kills_at_once(
    monkeypatch: pytest.MonkeyPatch, budget: object
) -> None:
    bench = Bench(monkeypatch)
    bench.lead()
    bench.workload.hear_stop({"token": 7, "budget": budget, "why": "x"}, bench.now)
    bench.turn()
    assert bench.tree.done == ["the workload", "kill"]


def test_s9_a_stop_that_says_no_budget_and_no_reason_kills_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.lead()
    bench.workload.hear_stop({"token": 7}, bench.now)
    bench.turn()
    assert bench.tree.done == ["the workload", "kill"]
    assert bench.workload.term is not None
    assert bench.workload.term.stopping == "stop"


def test_a_stop_with_a_budget_signals_and_kills_when_that_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.lead()
    stop = {"token": 7, "budget": 0.5, "why": "stepping down"}
    bench.workload.hear_stop(stop, bench.now)
    bench.turn()
    assert bench.tree.done == ["the workload", "SIGTERM", "SIGCONT"]
    assert bench.workload.term is not None
    assert bench.workload.term.stopping == "stepping down"
    assert bench.workload.next_look(bench.now) <= bench.now + 0.5
    bench.now += 0.49
    bench.turn()
    assert bench.tree.done[-1] == "SIGCONT"
    bench.now += 0.02
    bench.turn()
    assert bench.tree.done[-1] == "kill"


@pytest.mark.parametrize("token", [6, None, "7"])
def test_s9_a_stop_for_another_term_is_refused(
    monkeypatch: pytest.MonkeyPatch, token: object
) -> None:
    bench = Bench(monkeypatch)
    bench.lead()
    with pytest.raises(Refusal, match="^it is for another term$"):
        bench.workload.hear_stop({"token": token, "budget": 0.0}, bench.now)
    bench.turn()
    assert bench.tree.done == ["the workload"]


def test_the_end_of_a_term_is_told_with_its_token_code_and_instant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.lead()
    bench.now += 5.0
    bench.ends(3)
    assert [kind for kind, _ in bench.told] == ["started", "exited", "gone"]
    assert bench.last("started") == {"token": 7, "pid": 7}
    assert bench.last("exited") == {"token": 7, "code": 3}
    gone = {"token": 7, "code": 3, "now": NOW + 5.0, "crash_loop": False}
    assert bench.last("gone") == gone


def test_without_a_term_a_stop_ends_the_standby_command_without_a_courtesy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["stand", "by"], stop_courtesy=0.1)
    bench.turn()
    bench.workload.ask_to_stop("stopping", budget=1.0, now=bench.now)
    assert bench.tree.done == ["stand by", "SIGTERM", "SIGCONT"]
