"""
Plans: what will go wrong in one schedule, made from its seed.

A plan is data, so that it can be printed, replayed, and shrunk by leaving faults out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k8s_leader.election.timing import Timing
from tests.simulation.workload import Manners

__all__ = ["FOREVER", "LEADER", "Fault", "Plan", "Starter"]

LEADER = -1
"""Whoever leads when the fault comes."""

FOREVER = float("inf")

_STOPS_GUARDS = ("suspend", "freeze_guard", "freeze_both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    Something that goes wrong from ``at`` on, until ``until`` where that has a sense.

    Attributes:
        kind: see ``faults.py``.
        at, until: true seconds.
        who: index of the candidate, or ``LEADER``.
        value: how much; what it means depends on the kind.
    """

    kind: str
    at: float
    until: float = 0.0
    who: int = LEADER
    value: float = 0.0

    def __str__(self) -> str:
        who = "leader" if self.who == LEADER else f"c{self.who}"
        end = f"-{self.until:.2f}" if self.until > self.at else ""
        value = f" {self.value:.3g}" if self.value else ""
        return f"{self.at:.2f}{end} {self.kind} {who}{value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """
    One candidate as it starts.
    """

    at: float = 0.0
    rate: float = 1.0
    latency: float = 0.002
    lateness: float = 0.001
    manners: Manners = field(default_factory=Manners)
    on_exit: str = "release"
    is_pid_1: bool = True
    timing: Timing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    A schedule before it runs.

    Attributes:
        timing: of candidates that have none of their own.
        inside: whether the assumptions of the promise hold.
        overlap_allowed: whether two of ours may run at once (outside only).
        calm: nothing but what the theme is about goes wrong: reactions are prompt.
        keeps_term: nothing here may cost a leader its term.
    """

    seed: int
    theme: str
    timing: Timing
    starters: tuple[Starter, ...]
    faults: tuple[Fault, ...]
    quiet_at: float
    horizon: float
    inside: bool = True
    overlap_allowed: bool = False
    calm: bool = False
    keeps_term: bool = False
    rolls_back: bool = False
    peers: int = 0
    peers_may_overlap: bool = False
    requests_per_second: float = 3.0

    @property
    def wall_moves(self) -> bool:
        return any(fault.kind.startswith("wall") for fault in self.faults)

    @property
    def migrates(self) -> bool:
        return any(fault.kind == "migrate" for fault in self.faults)

    @property
    def guard_stopped(self) -> float:
        """
        Seconds for which guards stand still in it.
        """
        stopped = (f for f in self.faults if f.kind in _STOPS_GUARDS)
        return sum(fault.until - fault.at for fault in stopped)

    def describe(self) -> str:
        """
        Return the plan for people.
        """
        side = "inside" if self.inside else "outside"
        lines = [
            f"seed {self.seed}, theme {self.theme} ({side} the assumptions), "
            f"L={self.timing.lease_duration:g} renew_deadline="
            f"{self.timing.renew_deadline:.2f} kill_time={self.timing.kill_time:.2f} "
            f"margin={self.timing.safety_margin:.2f}",
        ]
        lines += [f"  c{i}: {each}" for i, each in enumerate(self.starters)]
        lines += [f"  fault {fault}" for fault in self.faults]
        return "\n".join(lines)
