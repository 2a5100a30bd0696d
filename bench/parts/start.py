"""
Start of the command until the first acquisition of a free Lease.
"""

from __future__ import annotations

import time

from bench.audit import writes
from bench.candidates import Kind
from bench.electors import Measured, each
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row

__all__ = ["PART"]

_FIRST = 60.0


def measure(lab: Lab) -> Samples:
    """
    Start each elector on Leases that are not there.
    """
    return each(lab, lambda kind: _starts(lab, kind))


def _starts(lab: Lab, kind: Kind) -> Measured:
    acquired, started = [], []
    for _ in range(lab.rounds):
        stage = lab.stage(kind)
        try:
            stage.seat("a")
            wall = time.time()
            before = stage.enter("a")
            started.append(stage.wait_started(timeout=_FIRST).at - before)
            events = lab.api.audit_events()
            first = writes(events, user=stage.seat("a").user, since=wall)[0]
            acquired.append(first.done - wall)
        finally:
            stage.close()
    return {"acquired": acquired, "workload": started}


PART = Part(
    name="start",
    about="From the start of the command until the API server has answered the write "
    "that takes a free Lease, and until the workload's first instruction. Ours serves "
    "metrics and HTTP.",
    rows=(
        Row(key="acquired", what="start → acquired", goal=0.4),
        Row(key="workload", what="start → workload runs"),
    ),
    measure=measure,
    rounds=(30, 3),
)
