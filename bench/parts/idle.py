"""
A leader and a standby that nobody disturbs: requests, memory, processor.
"""

from __future__ import annotations

import time

from bench.audit import requests_between
from bench.candidates import Kind
from bench.electors import Measured, each
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row

__all__ = ["PART"]

_SECONDS = (240.0, 30.0)
_START = 5.0


def measure(lab: Lab) -> Samples:
    """
    Leave all electors alone at the same time.
    """
    return each(lab, lambda kind: _idle(lab, kind), together=True)


def _idle(lab: Lab, kind: Kind) -> Measured:
    stage = lab.stage(kind)
    try:
        lab.lead_and_stand_by(stage)
        time.sleep(_START)  # the start's own requests and imports are over
        pair = {"leader": stage.candidates["a"], "standby": stage.candidates["b"]}
        begin, used = time.time(), {role: c.processor() for role, c in pair.items()}
        time.sleep(_SECONDS[lab.quick])
        end = time.time()
        events = lab.api.audit_events()
        found: dict[str, list[float]] = {}
        for role, candidate in pair.items():
            user = candidate.seat.user
            counts = requests_between(events, user=user, begin=begin, end=end)
            memory = candidate.memory()
            found[f"{role}_requests"] = [sum(counts.values())]
            found[f"{role}_rss"] = [memory.rss]
            found[f"{role}_pss"] = [memory.pss]
            cpu = (candidate.processor() - used[role]) / (end - begin)
            found[f"{role}_cpu"] = [100 * cpu]
    finally:
        stage.close()
    return found


PART = Part(
    name="idle",
    about="One leader and one standby, undisturbed for four minutes: requests at the "
    "API server, memory of all processes but the workload (RSS counts shared pages "
    "in each process, PSS once), and processor time. Ours serves metrics and HTTP.",
    rows=(
        Row(key="leader_requests", what="requests of a leader", unit="/min", goal=20.1),
        Row(
            key="standby_requests",
            what="requests of a standby",
            unit="/min",
            goal=1.5,
        ),
        Row(key="leader_rss", what="memory of a leader (RSS)", unit="B"),
        Row(key="standby_rss", what="memory of a standby (RSS)", unit="B", goal=55e6),
        Row(key="leader_pss", what="memory of a leader (PSS)", unit="B"),
        Row(key="standby_pss", what="memory of a standby (PSS)", unit="B"),
        Row(key="leader_cpu", what="processor of a leader", unit="%"),
        Row(key="standby_cpu", what="processor of a standby", unit="%"),
    ),
    measure=measure,
    rounds=(1, 1),
)
