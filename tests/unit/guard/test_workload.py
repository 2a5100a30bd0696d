"""
How often the guard looks at a workload; what it does is in the simulation.
"""

from __future__ import annotations

import random

import pytest

from k8s_leader.election.timing import Timing
from tests.simulation.guard import GuardModel
from tests.simulation.seams import simulated
from tests.simulation.workload import Manners, SimTree
from tests.simulation.world import Machine, Scheduler

START = {"token": 7, "uid": "u", "acquire_time": "t", "transitions": 0}


def test_s5_a_tree_that_does_not_die_is_looked_at_now_and_then() -> None:
    """
    In D state for seconds: a look each millisecond would burn a processor.
    """
    timing = Timing.derive(15.0)
    scheduler = Scheduler()
    machine = Machine(scheduler, offset=100.0, rate=1.0)
    told: list[str] = []
    with simulated():
        tree = SimTree(
            scheduler, now=machine.now, on_run=lambda _: None, on_end=lambda: None
        )
        tree.manners = Manners(stop_takes=float("inf"), kill_takes=60.0)
        guard = GuardModel(
            scheduler,
            machine,
            tree,
            identity="a",
            timing=timing,
            on_exit="release",
            is_pid_1=True,
            chance=random.Random(1),
            tell=lambda kind, **_: told.append(kind),
            on_term=lambda _: None,
            on_over=lambda: None,
            on_killed=lambda: None,
        )
        grant = timing.grant(token=7, sent=machine.now())
        times = {"sent": grant.sent, "stop_at": grant.stop_at, "until": grant.until}
        guard.receive({"type": "start", **START, **times, "env": {}})
        scheduler.run(until=20.0)
        assert tree.killed
        assert tree.exists
        now = machine.now()
        assert guard.workload.next_look(now) == pytest.approx(now + 0.1)
    assert told == ["started", "stuck"]
