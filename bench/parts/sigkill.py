"""
SIGKILL of all the leader's processes until the next workload runs.
"""

from __future__ import annotations

import time

from bench.candidates import Kind
from bench.electors import Measured, each, lanes
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row
from bench.stage import boot_time

__all__ = ["PART"]

_NEXT = 90.0
_LANES = 10
_SEEN = 6.0
"""Seconds in which a standby, started beside many, has seen its leader renew."""


def measure(lab: Lab) -> Samples:
    """
    Kill the leaders of all electors, many at a time: it takes seconds anyway.
    """
    shares = [len(range(lane, lab.rounds, _LANES)) for lane in range(_LANES)]
    return each(
        lab,
        lambda kind: lanes(lambda rounds: _lane(lab, kind, rounds), shares),
        together=True,
    )


def _lane(lab: Lab, kind: Kind, rounds: int) -> Measured:
    found = []
    stage = lab.stage(kind)
    try:
        lab.lead_and_stand_by(stage)
        leader, standby = "a", "b"
        for _ in range(rounds):
            time.sleep(_SEEN)
            lab.settle()
            before = boot_time()
            stage.candidates[leader].kill()
            found.append(stage.wait_started(timeout=_NEXT).at - before)
            stage.enter(leader)
            leader, standby = standby, leader
    finally:
        stage.close()
    return {"next": found}


PART = Part(
    name="sigkill",
    about="SIGKILL of all the leader's processes until the next workload runs, as "
    "after the death of a node: the Lease has to expire. Ten Leases of each elector "
    "at a time.",
    rows=(Row(key="next", what="SIGKILL → next workload runs", goal=15.1),),
    measure=measure,
    rounds=(30, 3),
)
