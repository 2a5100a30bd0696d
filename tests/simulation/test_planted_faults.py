"""
Would the simulation have found it? Each rule is broken once, and has to be missed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache

import pytest

from tests.helpers.rings import note
from tests.simulation.plan import Plan
from tests.simulation.planted import PLANTED, Planted
from tests.simulation.run import run_plan
from tests.simulation.test_schedules import LEAST
from tests.simulation.themes import make_plan

RULES = {*(f"S{number}" for number in (*range(1, 10), 11, 12, 15, 16, 17)), "liveness"}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("k8s_leader")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(before)


@cache
def plan_of(seed: int) -> Plan:
    return make_plan(seed)


def first_to_find(planted: Planted) -> Plan | None:
    """
    Return the first plan, of those that every run goes through, that finds it.

    As it came from its seed: the fault may change it.
    """
    with planted.plant():
        for seed in range(LEAST):
            plan = plan_of(seed)
            if plan.theme not in planted.themes:
                continue
            if run_plan(planted.plan(plan)).rules & planted.found_by:
                return plan
    return None


@pytest.mark.slow
@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: each.name)
def test_a_planted_fault_is_found(planted: Planted) -> None:
    plan = first_to_find(planted)
    assert plan is not None, f"{planted.rule}: nothing found {planted.name!r}"
    # Without the fault the very schedule that found it passes; in one of them the
    # settings themselves are the fault.
    changed = plan if planted.rule == "S1" else planted.plan(plan)
    assert run_plan(changed).findings == (), "it was not the fault that was found"
    note(planted=1)


def test_every_rule_has_a_planted_fault() -> None:
    assert {planted.rule for planted in PLANTED} == RULES


def test_without_the_planted_faults_the_same_schedules_pass() -> None:
    for theme in sorted({theme for planted in PLANTED for theme in planted.themes}):
        assert run_plan(make_plan(1, theme=theme)).findings == ()
