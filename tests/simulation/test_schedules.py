"""
The promise in thousands of schedules, each with faults of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.rings import note
from tests.simulation import campaign, recorded_run
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


@pytest.mark.slow
def test_a_seed_gives_the_same_schedule_in_another_process() -> None:
    """
    Where a schedule failed and where it is replayed, sets have another order.
    """
    program = (
        "from tests.simulation.run import run_plan;"
        "from tests.simulation.themes import make_plan;"
        "print([run_plan(make_plan(seed), tracing=True).lines for seed in range(40)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert len(said.pop()) > 10_000


def test_a_claim_astride_a_roll_back_may_overlap_the_one_that_it_forgot() -> None:
    """
    Two claim the same state, and between the two the store forgets the first.

    Nobody can know; the first stops when it sees the second. Found by a long run.
    """
    outcome = run_plan(make_plan(100_970_129), tracing=True)
    assert outcome.findings == ()
    assert any("allowed overlap" in line for line in outcome.lines)


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


def test_a_theme_can_be_asked_for() -> None:
    (sum_,) = run_many(first=0, schedules=5, jobs=1, theme="labels")
    assert sum_.themes == {"labels": 5}


def test_a_recorded_run_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = {"commit": "c", "k8s_leader": "a", "tests/simulation": "b"}
    monkeypatch.setattr(recorded_run, "sources", lambda: dict(code))
    monkeypatch.setattr(campaign, "_CHUNK", 3)
    file = tmp_path / "run.json"

    def run(schedules: int, minutes: float) -> Summary:
        *_, last = recorded_run.go_on(
            file, first=7, schedules=schedules, jobs=1, minutes=minutes
        )
        return last

    assert run(8, 0.0).schedules == 3
    whole = run(8, 9.0)
    assert run(8, 9.0).as_json() == whole.as_json()  # nothing is left
    *_, at_once = run_many(first=7, schedules=8, jobs=1)
    assert whole.themes == at_once.themes
    assert (whole.terms, whole.requests) == (at_once.terms, at_once.requests)
    code["k8s_leader"] = "other"
    with pytest.raises(recorded_run.OtherSourcesError):
        run(9, 9.0)
