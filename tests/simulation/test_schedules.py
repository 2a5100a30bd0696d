"""
The promise in thousands of schedules, each with faults of its own.
"""

from __future__ import annotations

import os

import pytest

from tests.helpers.rings import note
from tests.simulation.campaign import Summary, explain, run_many
from tests.simulation.faults import KINDS
from tests.simulation.run import run_plan, shrink
from tests.simulation.themes import THEMES, make_plan

ROUNDS = int(os.environ.get("SIMULATION_SCHEDULES", "10000"))
LEAST = 10_000
JOBS = 2


@pytest.fixture(scope="module")
def summary() -> Summary:
    found = Summary(first_seed=0)
    for found in run_many(first=0, schedules=ROUNDS, jobs=JOBS):  # noqa: B007
        pass
    note(schedules=found.schedules, seeds=f"0 to {found.schedules - 1}")
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_schedule_breaks_a_promise(summary: Summary) -> None:
    if summary.findings:
        pytest.fail(explain(summary.findings[0][0]), pytrace=False)
    assert summary.failed == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_enough_schedules_of_every_theme_were_run(summary: Summary) -> None:
    assert summary.schedules >= LEAST
    assert summary.inside >= 0.6 * summary.schedules
    for theme in THEMES:
        assert summary.themes[theme] >= 0.01 * summary.schedules, theme
    # Schedules in which nobody works prove nothing.
    assert summary.terms > summary.schedules


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_outside_the_assumptions_workloads_do_overlap(summary: Summary) -> None:
    """
    So the checks can see an overlap, and the assumptions are needed.
    """
    assert summary.overlaps["suspend"][0] > 0
    assert summary.overlaps["delete"][0] > 0
    assert summary.overlaps["skew"][0] > 0


def test_a_seed_gives_the_same_schedule_every_time() -> None:
    for seed in range(20):
        first, second = (run_plan(make_plan(seed), tracing=True) for _ in range(2))
        assert first.lines == second.lines
        assert first.lines


def test_every_kind_of_fault_is_in_some_plan() -> None:
    planned = {fault.kind for seed in range(4000) for fault in make_plan(seed).faults}
    assert planned == KINDS


def test_shrinking_leaves_only_the_faults_that_matter() -> None:
    plan = next(
        plan
        for plan in map(make_plan, range(1000))
        if plan.theme == "soup" and {"cut", "kill"} <= {f.kind for f in plan.faults}
    )
    small = shrink(plan, lambda each: any(f.kind == "cut" for f in each.faults))
    assert [fault.kind for fault in small.faults] == ["cut"]
    assert len(small.starters) <= len(plan.starters)
