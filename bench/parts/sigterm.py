"""
SIGTERM of the leader until the next workload runs, and the hops on the way.
"""

from __future__ import annotations

import time

from bench import floor
from bench.audit import Write, writes
from bench.candidates import Kind
from bench.electors import Measured, each, lanes
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row
from bench.stage import Stage, boot_time

__all__ = ["PART", "hand_over"]

_NEXT = 90.0
_LANES = {"ours": 1, "client-go": 4, "asyncio": 16}
"""Ours takes milliseconds and is measured alone; the others poll for seconds."""


def measure(lab: Lab) -> Samples:
    """
    Stop the leader of each elector again and again; then the hops without any.
    """
    found = each(lab, lambda kind: _hand_overs(lab, kind))
    lab.say("  no elector")
    return {**found, "floor": floor.measure(lab.api, rounds=lab.rounds)}


def _hand_overs(lab: Lab, kind: Kind) -> Measured:
    count = _LANES[kind.name]
    shares = (len(range(lane, lab.rounds, count)) for lane in range(count))
    return lanes(lambda rounds: _lane(lab, kind, rounds), shares)


def _lane(lab: Lab, kind: Kind, rounds: int) -> Measured:
    found: dict[str, list[float]] = {"released": [], "acquired": [], "next": []}
    stage = lab.stage(kind)
    try:
        lab.lead_and_stand_by(stage)
        leader, standby = "a", "b"
        for _ in range(rounds):
            lab.settle()
            hand_over(lab, stage, leader=leader, standby=standby, found=found)
            stage.enter(leader)
            leader, standby = standby, leader
    finally:
        stage.close()
    return found


def hand_over(
    lab: Lab, stage: Stage, *, leader: str, standby: str, found: dict[str, list[float]]
) -> None:
    """
    Stop the leader and note in ``found`` how long each hop took.
    """
    wall, before = time.time(), boot_time()
    stage.candidates[leader].terminate()
    started = stage.wait_started(timeout=_NEXT)
    if started.seat != standby:
        raise RuntimeError(f"the leader {leader} came back instead of {standby}")
    found["next"].append(started.at - before)
    stage.candidates[leader].wait()
    if not stage.kind.releases:
        return
    events = lab.api.audit_events()
    acquired = writes(events, user=stage.seat(standby).user, since=wall)
    released = [
        write
        for write in writes(events, user=stage.seat(leader).user, since=wall)
        if acquired and write.done <= acquired[0].done
    ]
    if released:
        _split(wall, released[-1], acquired[0], found)


def _split(
    wall: float, released: Write, acquired: Write, found: dict[str, list[float]]
) -> None:
    found["released"].append(released.done - wall)
    found["acquired"].append(acquired.done - released.done)


PART = Part(
    name="sigterm",
    about="SIGTERM of the leader's first process until the API server has answered "
    "the release, from there until it has answered the next candidate's acquiring "
    "write, and from SIGTERM until the first instruction of the next workload (a "
    "shell that writes a line to a pipe, the same for all; its start is part of it). "
    "kubernetes_asyncio's elector never releases. The last column is the floor: one "
    "process writes, watches and starts the same shell, without any elector.",
    rows=(
        Row(key="released", what="SIGTERM → released", goal=0.005, limit=0.05),
        Row(key="acquired", what="released → acquired", goal=0.004, limit=0.05),
        Row(key="next", what="SIGTERM → next workload runs", goal=0.012, limit=0.1),
    ),
    measure=measure,
    rounds=(32, 4),
)
