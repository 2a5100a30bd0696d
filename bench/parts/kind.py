"""
On a kind cluster: a Pod deleted, and a rollout, beside a wrapper of client-go.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.electors import Measured
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row
from bench.pods import BUILDERS, Pods
from tests.e2e.testbed import testbed, why_not

__all__ = ["PART"]


def measure(lab: Lab) -> Samples:
    """
    Make a cluster, and each Deployment on it, one after the other.
    """
    reason = why_not()
    if reason:
        raise RuntimeError(reason)
    with _interruptible(), testbed() as made:
        return {name: _rounds(lab, build(made)) for name, build in BUILDERS.items()}


def _rounds(lab: Lab, pods: Pods) -> Measured:
    found: dict[str, list[float]] = {}
    for number in range(lab.rounds):
        lab.say(f"  round {number + 1}")
        for figures in (pods.take_leader_away(), pods.roll_out()):
            for key, sample in figures.items():
                found.setdefault(key, []).append(sample)
    return found


@contextmanager
def _interruptible() -> Iterator[None]:
    """
    Let a signal unwind the stack, since the cluster has to be taken away.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = {
        number: signal.signal(number, lambda n, _: sys.exit(128 + n))
        for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


PART = Part(
    name="kind",
    about="On a kind cluster of three nodes, two replicas on a lease of 15 s, "
    "maxSurge 1 and maxUnavailable 0: our chart's Deployment, and one whose command is "
    "a wrapper of client-go's elector around the same static program, which writes a "
    "line every 20 ms. The leader's Pod is deleted (from kubectl's start to the next "
    "program's first line, and the time without a line), then `kubectl rollout "
    "restart`: the time without a line, all moves of the leadership together, and how "
    "often it moved.",
    rows=(
        Row(key="deleted", what="Pod deleted → next workload runs"),
        Row(key="deleted_idle", what="Pod deleted: no workload for", goal=0.1),
        Row(key="rollout", what="rollout: no workload for", goal=0.1),
        Row(key="moves", what="rollout: leadership moved, times", unit="", goal=1),
    ),
    measure=measure,
    rounds=(12, 1),
)
