"""
What the guard costs and how fast it is, on a SQLite lease: no network in it.
"""

from __future__ import annotations

import time

from bench.figures import Samples
from bench.lab import Lab
from bench.local import LocalLease
from bench.part import Part, Row
from bench.processes import descendants, memory
from bench.stage import boot_time

__all__ = ["PART"]

_SECONDS = (120.0, 20.0)
_START = 5.0
_MANY = 1000
_CROWD = f"""\
trap 'exit 0' TERM
i=0
while [ $i -lt {_MANY} ]; do setsid sleep 100000 & i=$((i+1)); done
echo there >"$1"
while :; do wait; done
"""
"""Its children have sessions of their own and are told of no SIGTERM."""


def measure(lab: Lab) -> Samples:
    """
    Measure an idle pair, orderly stops, and the end of a large tree.
    """
    found: dict[str, list[float]] = {}
    _idle(lab, found)
    found["released"] = [_stop(lab, number) for number in range(lab.rounds)]
    crowds = 2 if lab.quick else 5
    found["crowd"] = [_crowd(lab, number) for number in range(crowds)]
    return {"ours": found}


def _idle(lab: Lab, found: dict[str, list[float]]) -> None:
    lease = LocalLease(lab, "idle")
    try:
        leader = lease.enter()
        lease.wait_held()
        standby = lease.enter()
        time.sleep(_START)
        pair = {"leader": leader, "standby": standby}
        used = {role: candidate.processor() for role, candidate in pair.items()}
        time.sleep(_SECONDS[lab.quick])
        for role, candidate in pair.items():
            spent = candidate.processor() - used[role]
            found[f"{role}_cpu"] = [100 * spent / _SECONDS[lab.quick]]
            found[f"{role}_rss"] = [memory([candidate.pid]).rss]
    finally:
        lease.close()


def _stop(lab: Lab, number: int) -> float:
    lease = LocalLease(lab, f"stop-{number}")
    try:
        leader = lease.enter()
        lease.wait_held()
        time.sleep(0.5)
        before = boot_time()
        leader.terminate()
        return lease.wait_free() - before
    finally:
        lease.close()


def _crowd(lab: Lab, number: int) -> float:
    lease = LocalLease(lab, f"crowd-{number}")
    there = lab.folder / f"crowd-{number}-is-there"
    try:
        leader = lease.enter("/bin/sh", "-c", _CROWD, "sh", str(there))
        while not there.exists() or len(descendants(leader.pid)) < _MANY:
            time.sleep(0.05)
        time.sleep(1.0)
        before = boot_time()
        leader.terminate()
        return lease.wait_free() - before
    finally:
        lease.close()


PART = Part(
    name="guard",
    about="A leader and a standby on a SQLite file, without HTTP: memory of the "
    "guard, processor time of all processes of a candidate while nothing happens, "
    "SIGTERM until the workload's tree is gone and the lease is released, and the "
    f"same for a workload that leaves {_MANY:,} processes in sessions of their own.",
    rows=(
        Row(key="leader_rss", what="memory of a leader's guard", unit="B", goal=12e6),
        Row(key="standby_rss", what="memory of a standby's guard", unit="B", goal=12e6),
        Row(key="leader_cpu", what="processor, leader", unit="%", goal=0.1),
        Row(key="standby_cpu", what="processor, standby", unit="%", goal=0.1),
        Row(key="released", what="SIGTERM → gone and released", goal=0.01),
        Row(key="crowd", what=f"{_MANY:,} processes gone and released", limit=1.0),
    ),
    measure=measure,
    rounds=(30, 3),
)
