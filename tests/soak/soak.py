"""
One soak: hand-overs, one after the other, between processes that live all the time.

The leader is asked to step down by the annotation that ``k8s-leader step-down`` writes,
so that no process ends but the workload. Every tenth time the connections of one
candidate are reset, every twentieth somebody edits a label.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.processes import descendants
from k8s_leader.election.orders import STEP_DOWN
from tests.chaos.history import History, check
from tests.chaos.stage import LEASE, Stage, staged
from tests.helpers.candidate import boot_time
from tests.soak.readings import Reading, growth, read

__all__ = ["LIMITS", "WARM_UP", "Soak", "judge", "soak"]

LIMITS = {
    "guards_bytes": 0.5e6,
    "electors_bytes": 2e6,
    "descriptors": 2.0,
    "threads": 2.0,
    "processes": 1.0,
}
"""What all candidates together may grow by after the warm-up."""

WARM_UP = 1 / 3
_LENGTH = 8.0
_PATIENCE = 90.0


@dataclass(slots=True)
class Soak:
    """
    What a soak came to.

    Attributes:
        restarts: of guards.
        electors: the process ids of all that were seen. One that was started again
            holds less, which would hide a leak.
    """

    candidates: int
    minutes: float = 0.0
    hand_overs: int = 0
    restarts: int = 0
    electors: set[int] = field(default_factory=set)
    readings: list[Reading] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def elector_restarts(self) -> int:
        """
        Return how many electors were seen beyond one for each candidate.
        """
        return max(0, len(self.electors) - self.candidates)

    @property
    def grown(self) -> dict[str, float]:
        return growth(self.readings, warm_up=WARM_UP)

    def as_json(self) -> dict[str, Any]:
        """
        Return it for people and for the record.
        """
        first, last = (
            self.readings[int(WARM_UP * len(self.readings))],
            self.readings[-1],
        )
        hours = (last.at - first.at) / 3600
        return {
            "candidates": self.candidates,
            "minutes": round(self.minutes, 1),
            "hand_overs": self.hand_overs,
            "restarts": self.restarts,
            "elector_restarts": self.elector_restarts,
            "after_warm_up": dict(first.held),
            "at_the_end": dict(last.held),
            "grown_by_slope": {k: round(v, 2) for k, v in self.grown.items()},
            "slope_per_hour": {k: round(v / hours, 2) for k, v in self.grown.items()},
            "limits": LIMITS,
            "broken": self.broken,
        }


def soak(
    *, minutes: float, candidates: int, folder: Path, say: Callable[[str], None]
) -> Soak:
    """
    Hand over for so long, and judge.
    """
    result = Soak(candidates)
    with staged(folder=folder, lease_duration=_LENGTH, candidates=candidates) as stage:
        stage.keep()
        _until(lambda: stage.leader() is not None, "somebody leads")
        _until(lambda: all(actor.elector() for actor in stage.ours), "all have started")
        began = time.monotonic()
        while time.monotonic() < began + 60 * minutes:
            _hand_over(stage, result)
            if result.hand_overs % 100 == 0:
                say(f"{result.hand_overs} hand-overs, {result.readings[-1].held}")
        result.minutes = (time.monotonic() - began) / 60
        result.restarts = sum(actor.starts for actor in stage.ours) - candidates
    history = History(beats=stage.log.beats(), lease_duration=_LENGTH)
    result.broken += check(history).broken
    return result


def judge(result: Soak) -> list[str]:
    """
    Say what grew by more than it may, or was started again.
    """
    again = {"guards": result.restarts, "electors": result.elector_restarts}
    return [
        f"{what} were started again {times} times"
        for what, times in again.items()
        if times
    ] + [
        f"{key} grew by {grown:.1f}, {LIMITS[key]:g} is allowed"
        for key, grown in result.grown.items()
        if grown > LIMITS[key]
    ]


def _hand_over(stage: Stage, result: Soak) -> None:
    leader = stage.leader()
    assert leader is not None
    order = {STEP_DOWN: "true"}
    stage.api.annotate_lease(stage.namespace, LEASE, order, timeout=10)
    _until(lambda: stage.leader() not in (None, leader), "another one works")
    result.hand_overs += 1
    if result.hand_overs % 10 == 0:
        stage.ours[result.hand_overs // 10 % len(stage.ours)].proxy.reset()
    if result.hand_overs % 20 == 0:
        stage.edit_lease()
    electors = [pid for actor in stage.ours if (pid := actor.elector())]
    result.electors.update(electors)
    result.readings.append(_read(stage, electors, result.hand_overs))


def _read(stage: Stage, electors: list[int], hand_overs: int) -> Reading:
    guards = [actor.pid for actor in stage.ours]
    everything = sum(1 + len(descendants(guard)) for guard in guards)
    held = read(guards, electors, processes=everything)
    return Reading(at=boot_time(), hand_overs=hand_overs, held=held)


def _until(what: Callable[[], object], why: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_PATIENCE:g} s until {why}")
        time.sleep(0.01)
