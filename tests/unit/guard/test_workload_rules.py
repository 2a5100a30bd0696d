"""
The workload's rules where no real process can show them: clocks that jump, days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from k8s_leader.guard.log import Log
from k8s_leader.guard.term import Refusal
from tests.unit.guard.workbench import Bench

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_crash_loop_backs_off_and_then_gives_up_leadership(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, on_exit="restart")
    bench.lead()
    for pause in (1.0, 2.0, 4.0, 8.0):
        bench.now += 0.1
        bench.ends()
        assert bench.workload.next_look(bench.now) <= bench.now + pause
        bench.workload.hear_extend(bench.grant(), bench.now)
        starts = bench.tree.done.count("the workload")
        bench.now += pause - 0.01
        bench.turn()
        assert bench.tree.done.count("the workload") == starts
        bench.now += 0.02
        bench.turn()
        assert bench.tree.done.count("the workload") == starts + 1
    bench.ends()
    assert bench.last("gone")["crash_loop"] is True
    assert bench.workload.is_gone


def test_a_workload_that_ran_for_a_while_is_no_crash_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, on_exit="restart")
    bench.lead()
    for _ in range(20):
        bench.now += 9.0
        bench.workload.hear_extend(bench.grant(), bench.now)
        bench.now += 4.0
        bench.workload.hear_extend(bench.grant(), bench.now)
        bench.ends()
        bench.now += 1.01
        bench.turn()
    assert bench.tree.done.count("the workload") == 21


def test_a_standby_command_may_crash_for_days(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    for _ in range(2000):
        bench.turn()
        bench.ends()
        bench.now += 10.01
    assert bench.tree.done.count("the standby") == 2000


@pytest.mark.parametrize("jump", [-1.4, 1.4, 3600.0])
def test_s1_a_jump_of_the_wall_clock_freezes_until_the_lease_is_confirmed(
    monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    bench = Bench(monkeypatch)
    bench.lead()
    bench.jumped = jump
    stale = bench.grant()
    bench.now += 0.1
    bench.turn()
    bench.turn()  # again each time: one may have been about to fork
    assert bench.tree.done == ["the workload", "freeze", "freeze"]
    assert [kind for kind, _ in bench.told].count("doubt") == 1
    assert bench.last("doubt") == {"token": 7}
    bench.workload.hear_extend(stale, bench.now)  # was on its way before the jump
    assert bench.tree.done[-1] == "freeze"
    bench.now += 0.1
    bench.workload.hear_extend(bench.grant(), bench.now)
    assert bench.tree.done[-1] == "thaw"
    bench.turn()
    assert bench.tree.done == ["the workload", "freeze", "freeze", "thaw"]


def test_s1_a_renewal_that_was_under_way_does_not_hide_a_jump(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A machine is moved while a request is under way: its answer is there before a look.
    """
    bench = Bench(monkeypatch)
    bench.lead()
    stale = bench.grant()
    bench.now += 0.1
    bench.jumped = 60.0
    bench.workload.hear_extend(stale, bench.now)
    assert bench.tree.done == ["the workload", "freeze"]
    bench.turn()
    assert bench.last("doubt") == {"token": 7}
    bench.now += 0.1
    bench.workload.hear_extend(bench.grant(), bench.now)
    assert bench.tree.done[-1] == "thaw"


@pytest.mark.parametrize("looked", [True, False])
def test_s1_a_term_that_was_asked_for_before_a_jump_does_not_begin(
    monkeypatch: pytest.MonkeyPatch, looked: bool
) -> None:
    """
    Whether the standby looked at its clocks before the answer came, or not.
    """
    bench = Bench(monkeypatch)
    stale = {**bench.grant(), "transitions": 0}
    bench.now += 0.1
    bench.jumped = 60.0
    if looked:
        bench.turn()
    with pytest.raises(Refusal, match="the wall clock jumped"):
        bench.workload.hear_start(stale, bench.now)
    assert bench.workload.term is None
    assert bench.told == []
    bench.now += 0.1
    bench.lead()
    assert bench.tree.done == ["the workload"]


def test_s1_a_jump_within_the_margin_is_the_work_of_ntp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.lead()
    for _ in range(10):
        bench.jumped += 1.0
        bench.turn()
        bench.now += 1.0
        bench.workload.hear_extend(bench.grant(), bench.now)
    assert bench.tree.done == ["the workload"]


def test_s1_a_doubted_workload_is_killed_frozen_and_never_thawed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    To tell it to stop would let it write once more.
    """
    bench = Bench(monkeypatch)
    bench.lead()
    bench.jumped = 60.0
    bench.turn()
    bench.workload.stop("SIGTERM", budget=25.0, now=bench.now)
    bench.turn()
    assert bench.tree.done == ["the workload", "freeze", "freeze", "kill"]
    bench.now += 0.1
    bench.workload.hear_extend(bench.grant(), bench.now)  # confirmed, but too late
    assert "thaw" not in bench.tree.done
    bench.ends(137)
    assert bench.last("gone")["code"] == 137


def test_s1_a_doubt_that_is_never_lifted_ends_with_the_grant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.lead()
    bench.jumped = 60.0
    bench.turn()
    bench.now += 10.0
    bench.turn()
    assert bench.tree.done == ["the workload", "freeze", "freeze", "kill"]


def test_s15_a_term_begins_when_the_standby_command_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.turn()
    bench.lead()
    assert bench.tree.done == ["the standby", "SIGTERM", "SIGCONT"]
    bench.now += 2.26  # kill_time
    bench.turn()
    assert bench.tree.done[-1] == "kill"
    bench.ends(137)
    assert bench.tree.done[-1] == "the workload"
    assert bench.workload.code is None  # that was not the workload's


def test_s2_a_standby_command_that_stays_too_long_costs_the_term(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.turn()
    bench.lead()
    bench.now += 10.1
    bench.turn()
    bench.ends(137)
    bench.turn()
    assert bench.last("gone")["token"] == 7
    assert "the workload" not in bench.tree.done


def test_s15_what_the_standby_command_left_behind_is_killed_before_a_term(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.turn()
    bench.lead()
    bench.tree.left = True
    bench.ends(0)
    assert bench.tree.done[-1] == "kill"
    assert bench.workload.next_look(bench.now) < bench.now + 1.0
    bench.tree.left = False
    bench.turn()
    assert bench.tree.done[-1] == "the workload"


def test_a_workload_for_which_no_process_is_left_ended_with_126(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.tree.is_full = True
    bench.lead()
    bench.turn()
    assert bench.last("gone")["code"] == 126
    assert [told for told, _ in bench.told] == ["exited", "gone"]


def test_a_standby_command_for_which_no_process_is_left_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.tree.is_full = True
    bench.turn()
    bench.turn()
    bench.tree.is_full = False
    bench.now += 1.01
    bench.turn()
    assert bench.tree.done == ["the standby"]


def test_a_second_term_while_the_standby_command_still_ends_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.turn()
    bench.lead()
    with pytest.raises(Refusal, match="not gone"):
        bench.lead()


def test_a_stop_on_standby_ends_the_standby_command_within_its_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.turn()
    bench.workload.close()
    bench.workload.stop("SIGTERM", budget=25.0, now=bench.now)
    assert bench.tree.done == ["the standby", "SIGTERM", "SIGCONT"]
    bench.workload.stop("SIGTERM", budget=0.0, now=bench.now)  # again
    bench.turn()
    assert bench.tree.done[-1] == "kill"
    bench.ends(137)
    assert bench.workload.is_gone
    bench.now += 100.0
    bench.turn()
    assert bench.tree.done.count("the standby") == 1


def test_the_standby_command_comes_back_after_a_term(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.turn()
    bench.lead()
    bench.ends(143)
    bench.ends(0)
    bench.turn()
    assert bench.tree.done[-2:] == ["the workload", "the standby"]


def test_the_courtesy_before_a_stop_ends_when_it_is_over_or_the_elector_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for by_elector in (False, True):
        bench = Bench(monkeypatch, stop_courtesy=0.2)
        bench.lead()
        bench.workload.ask_to_stop("SIGTERM", budget=25.0, now=bench.now)
        bench.turn()
        assert bench.tree.done == ["the workload"]
        if by_elector:
            stop = {"token": 7, "why": "SIGTERM", "budget": 25.0}
            bench.workload.hear_stop(stop, bench.now)
        else:
            bench.now += 0.21
        bench.turn()
        assert bench.tree.done == ["the workload", "SIGTERM", "SIGCONT"]


def test_an_extension_from_before_the_last_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.lead()
    older = bench.grant()
    bench.now += 1.0
    bench.workload.hear_extend(bench.grant(), bench.now)
    with pytest.raises(Refusal, match="older"):
        bench.workload.hear_extend(older, bench.now)


def test_a_standby_command_that_left_orphans_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.turn()
    bench.tree.left = True
    bench.ends(0)
    assert bench.tree.done == ["the standby", "kill"]
    bench.tree.left = False
    bench.turn()
    bench.now += 1.01
    bench.turn()
    assert bench.tree.done == ["the standby", "kill", "the standby"]


@pytest.mark.parametrize("before", [True, False])
def test_s1_nothing_is_started_again_while_the_wall_clock_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """
    Whether the jump came before the workload's end or while its next start waits.
    """
    bench = Bench(monkeypatch, on_exit="restart")
    bench.lead()
    bench.jumped = 60.0 if before else 0.0
    bench.turn()
    bench.tree.left = True
    bench.ends()  # with orphans, which are killed first
    bench.tree.left = False
    bench.turn()
    bench.jumped = 60.0
    bench.now += 5.0
    bench.turn()
    assert bench.tree.done.count("the workload") == 1
    assert [told for told, _ in bench.told].count("doubt") == 1
    bench.now += 0.1
    bench.workload.hear_extend(bench.grant(), bench.now)
    bench.turn()
    assert bench.tree.done.count("the workload") == 2
    assert "thaw" not in bench.tree.done


def test_a_jump_while_the_standby_command_ends_freezes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.turn()
    bench.lead()
    bench.jumped = 60.0
    bench.turn()
    bench.ends(0)
    assert bench.tree.done == ["the standby", "SIGTERM", "SIGCONT"]
    bench.now += 0.1
    bench.workload.hear_extend(bench.grant(), bench.now)
    bench.turn()
    assert bench.tree.done[-1] == "the workload"


def test_a_stop_while_the_next_start_waits_ends_the_term_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, on_exit="restart")
    bench.lead()
    bench.ends()
    bench.workload.stop("SIGTERM", budget=25.0, now=bench.now)
    bench.turn()
    assert bench.last("gone")["code"] == 3
    assert bench.workload.is_gone


@pytest.mark.parametrize("has_cgroup", [True, False])
def test_s5_what_this_user_may_not_kill_the_cgroup_does(
    monkeypatch: pytest.MonkeyPatch, has_cgroup: bool
) -> None:
    bench = Bench(monkeypatch, has_cgroup=has_cgroup)
    bench.lead()
    bench.tree.is_ours = False
    bench.workload.stop("lost", budget=0.0, now=bench.now)
    bench.turn()
    assert bench.tree.done[-1] == "kill"
    bench.now += 2.26  # kill_time
    bench.turn()
    assert ("kill the cgroup" in bench.tree.done) is has_cgroup
    assert bench.last("stuck")["pids"] == [7]


def test_s9_what_stops_the_workload_is_done_before_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A stderr that is a file on a slow disk delays a line, and may not delay a kill.
    """
    bench = Bench(monkeypatch)
    done = bench.tree.done
    say: Callable[..., None] = lambda _, line, **__: done.append(line)  # noqa: E731  # one word
    monkeypatch.setattr(Log, "say", say)
    bench.lead()
    bench.workload.stop("asked", budget=1.0, now=bench.now)
    bench.now += 1.0
    bench.turn()
    words = [line.split(" (")[0] for line in done]
    assert words == [
        *("the workload", "workload started: pid=7"),
        *("SIGTERM", "SIGCONT", "workload stopping"),
        *("kill", "workload killed"),
    ]


def test_what_a_command_left_behind_is_said_to_be_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    done = bench.tree.done
    say: Callable[..., None] = lambda _, line, **__: done.append(line)  # noqa: E731  # one word
    monkeypatch.setattr(Log, "say", say)
    bench.lead()
    bench.tree.left = True
    bench.ends(0)
    assert done[-2:] == [
        "kill",
        "workload killed (its command ended, this is what it left)",
    ]


def test_a_child_that_is_not_the_command_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.workload.reaped(9, 0)  # an orphan, on standby
    bench.turn()
    assert bench.told == []


def test_a_standby_command_that_does_not_die_is_reported_to_people_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, standby_command=["the", "standby"])
    bench.turn()
    bench.workload.stop("SIGTERM", budget=0.0, now=bench.now)
    bench.turn()
    for _ in range(2):
        bench.now += 2.26  # kill_time
        bench.turn()
    assert bench.told == []
    assert bench.tree.done.count("kill") == 3
