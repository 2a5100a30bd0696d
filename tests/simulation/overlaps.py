"""
Which workloads run at once, whether they may, and for how long at the most.

An overlap outside the assumptions is bounded, too: from the moment in which somebody
else's claim is in the store no renewal of the older term can be confirmed, so the older
workload has what was left of one grant, δ, and the time that its guard stood still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from tests.simulation.guard import PULSE

if TYPE_CHECKING:
    from k8s_leader.election.timing import Timing
    from tests.simulation.plan import Plan
    from tests.simulation.world import Scheduler

__all__ = ["DELTA", "Overlaps", "Run", "longest_beside_a_newer"]

DELTA = 1.0
"""δ of the design: the guard is scheduled at least this often."""

_EPSILON = 0.005


@dataclass(slots=True, kw_only=True)
class Run:
    """
    A workload that runs now.

    Attributes:
        since: true seconds.
        order: of its claim, as the store took them; 0 for peers.
        most: seconds that it may go on beside a newer one.
    """

    since: float
    order: int = 0
    token: int = 0
    is_ours: bool = False
    most: float = float("inf")


def longest_beside_a_newer(plan: Plan, timing: Timing, *, rate: float) -> float:
    """
    Return for how many true seconds a workload may go on after another's claim.

    Args:
        plan: what goes wrong meanwhile.
        timing: its own.
        rate: of its machine's clock.
    """
    if plan.migrates:  # until its guard looks at the wall clock
        return PULSE + DELTA + _EPSILON
    granted = timing.lease_duration - timing.safety_margin
    return (granted + DELTA) / rate + plan.guard_stopped + _EPSILON


@dataclass(slots=True, kw_only=True)
class Overlaps:
    """
    All workloads of one schedule that run, and what those of ours did at once.

    Attributes:
        seconds: of each overlap of two of ours.
        astride: orders of claims that nobody can judge (`Checks`).
        last_run: when a workload ended last.
    """

    scheduler: Scheduler
    plan: Plan
    find: Callable[[str, str], None]
    trace: Callable[[str, str], None]
    seconds: list[float] = field(default_factory=list)
    astride: set[int] = field(default_factory=set)
    last_run: float = 0.0
    _running: dict[str, Run] = field(default_factory=dict)

    @property
    def anybody_runs(self) -> bool:
        return bool(self._running)

    def begin(self, name: str, new: Run) -> None:
        """
        Let a workload run.
        """
        for other, run in self._running.items():
            if new.is_ours and run.is_ours:
                self._judge(name, new, other, run)
        self._running[name] = new

    def end(self, name: str) -> None:
        """
        Let it end; what overlapped it is measured.
        """
        self.trace(name, "the workload runs no more")
        run = self._running.pop(name)
        self.last_run = self.scheduler.now
        for other in self._running.values():
            self._measure(run, other)

    def finish(self) -> None:
        """
        Measure what is still at once when the schedule ends.
        """
        for run, other in combinations(self._running.values(), 2):
            self._measure(run, other)

    def _judge(self, name: str, new: Run, other: str, run: Run) -> None:
        text = f"{name} (token {new.token}) beside {other} (token {run.token})"
        is_astride = max(new.order, run.order) in self.astride
        if not self.plan.overlap_allowed and not is_astride:
            self.find("overlap", text)
        else:
            self.trace("CHECK", f"allowed overlap: {text}")
        older, newer = sorted((new, run), key=lambda each: each.order)
        if older.token >= newer.token and not self.plan.rolls_back:
            self.find("fence", f"the sink cannot tell the older term: {text}")

    def _measure(self, run: Run, other: Run) -> None:
        seconds = self.scheduler.now - max(run.since, other.since)
        if seconds <= 1e-9:
            return
        if run.is_ours and other.is_ours:
            self.seconds.append(seconds)
            older = min(run, other, key=lambda each: each.order)
            if seconds > older.most:
                text = f"{seconds:.3f} s at once, and {older.most:.3f} at the most"
                self.find("overlap bound", text)
        elif not self.plan.peers_may_overlap:
            self.find("peer overlap", f"{seconds:.3f} s beside a peer")
