"""
A few schedules of every kind, for changes that are made one at a time.

``mutmut`` (see docs/how-we-know.md) runs it for each change of the core, which ten
thousand schedules would take too long for. Not collected otherwise.
"""

from __future__ import annotations

import logging

from tests.simulation.run import run_plan
from tests.simulation.seams import simulated
from tests.simulation.themes import make_plan

_SEEDS = range(150)


def test_nothing_is_broken_in_a_few_schedules() -> None:
    logging.getLogger("k8s_leader").setLevel(logging.CRITICAL + 1)
    with simulated():
        for seed in _SEEDS:
            found = run_plan(make_plan(seed)).findings
            assert not found, (seed, found[0])
