"""
One schedule from its plan to its outcome; and the shrinking of one that failed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.simulation.candidate import Candidate
from tests.simulation.checks import Checks, Finding
from tests.simulation.faults import apply
from tests.simulation.peer import Peer
from tests.simulation.plan import Plan, Starter
from tests.simulation.seams import simulated
from tests.simulation.server import Server
from tests.simulation.world import Machine, Scheduler, StepLimitError

__all__ = ["Outcome", "World", "run_plan", "shrink"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What came of one schedule.

    Attributes:
        overlaps: seconds of every allowed overlap (outside the assumptions).
        requests: sent to the store by all of ours.
    """

    plan: Plan
    findings: tuple[Finding, ...]
    overlaps: tuple[float, ...]
    requests: int
    terms: int
    virtual: float
    lines: tuple[str, ...]

    @property
    def rules(self) -> set[str]:
        return {finding.rule for finding in self.findings}


@dataclass(slots=True)
class World:
    """
    All that a schedule is about.
    """

    plan: Plan
    scheduler: Scheduler
    server: Server
    checks: Checks
    candidates: dict[int, Candidate] = field(default_factory=dict)
    peers: list[Peer] = field(default_factory=list)

    def add(self, index: int, starter: Starter) -> None:
        chance = random.Random(self.plan.seed * 1009 + index)
        machine = Machine(
            self.scheduler, offset=1000.0 * chance.random(), rate=starter.rate
        )
        who = Candidate(
            # One name begins another: identities compare whole (S11).
            "pod" if index == 0 else f"pod-{index}",
            starter,
            scheduler=self.scheduler,
            server=self.server,
            timing=starter.timing or self.plan.timing,
            checks=self.checks,
            machine=machine,
            chance=chance,
        )
        self.candidates[index] = who

    def add_peer(self, index: int) -> None:
        self.peers.append(
            Peer(
                f"peer-{index}",
                scheduler=self.scheduler,
                server=self.server,
                checks=self.checks,
                chance=random.Random(self.plan.seed * 1013 + index),
                length=self.plan.timing.lease_duration,
                mistakes=self.plan.peers_may_overlap,
            )
        )


def run_plan(plan: Plan, *, tracing: bool = False) -> Outcome:
    """
    Run one schedule; the same plan gives the same outcome.
    """
    scheduler = Scheduler()
    random.seed(plan.seed)  # the loop's jitter
    server = Server(scheduler, random.Random(plan.seed + 1))
    checks = Checks(
        scheduler=scheduler,
        server=server,
        plan=plan,
        tracing=tracing,
    )
    world = World(plan=plan, scheduler=scheduler, server=server, checks=checks)
    for index, starter in enumerate(plan.starters):
        scheduler.at(starter.at, world.add, index, starter)
    for index in range(plan.peers):
        scheduler.at(0.5 * index, world.add_peer, index)
    for fault in plan.faults:
        scheduler.at(fault.at, apply, world, fault)
    with simulated():
        try:
            _run_to_the_end(world)
            checks.finish(list(world.candidates.values()))
        except StepLimitError as error:
            checks.find("busy loop", str(error))
        requests = sum(who.asked for who in world.candidates.values())
        for who in world.candidates.values():
            who.close()
    return Outcome(
        plan=plan,
        findings=tuple(checks.findings),
        overlaps=tuple(checks.overlaps.seconds),
        requests=requests,
        terms=checks.terms,
        virtual=scheduler.now,
        lines=tuple(checks.lines),
    )


def _run_to_the_end(world: World) -> None:
    """
    Run until every grant of the troubled time has ended and somebody leads again.
    """
    plan, scheduler = world.plan, world.scheduler
    timings = [plan.timing, *(each.timing for each in plan.starters if each.timing)]
    longest = max(timing.lease_duration for timing in timings)
    scheduler.run(until=plan.quiet_at + 1.05 * longest + 1.0)
    while scheduler.now < plan.horizon and not world.checks.overlaps.anybody_runs:
        scheduler.run(until=scheduler.now + 1.0)


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """
    Leave out faults, then candidates, one at a time, while the plan still fails.
    """
    again = True
    while again:
        again = False
        for smaller in _smaller(plan):
            if fails(smaller):
                plan, again = smaller, True
                break
    return plan


def _smaller(plan: Plan) -> list[Plan]:
    found = []
    for index in range(len(plan.faults)):
        faults = plan.faults[:index] + plan.faults[index + 1 :]
        found.append(replace(plan, faults=faults))
    if len(plan.starters) > 1:
        used = {fault.who for fault in plan.faults}
        if len(plan.starters) - 1 not in used:
            found.append(replace(plan, starters=plan.starters[:-1]))
    return found
