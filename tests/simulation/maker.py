"""
Makes plans: candidates, clocks and faults, drawn by chance from a seed.
"""

from __future__ import annotations

import random

from k8s_leader.election.timing import CLOCK_DRIFT, Timing
from tests.simulation.plan import FOREVER, LEADER, Fault, Plan, Starter
from tests.simulation.workload import Manners

__all__ = ["Maker"]


class Maker:
    """
    Makes one plan; the themes add to it.
    """

    def __init__(self, seed: int, chance: random.Random) -> None:
        self.seed = seed
        self.chance = chance
        self.length = chance.choice((8.0, 8.0, 8.0, 15.0))
        self.timing = self._timing(self.length)
        self.other: Timing | None = None
        if chance.random() < 0.15:
            self.roll_out()
        self.faults: list[Fault] = []
        self.starters: list[Starter] = []
        self.begin = 3.0
        self.options: dict[str, bool | int | float] = {}

    def _timing(self, length: float) -> Timing:
        chance = self.chance
        derived = Timing.derive(length)
        kill_time = derived.kill_time
        if chance.random() < 0.6:  # nothing to spare
            rest = length - derived.renew_deadline - derived.safety_margin
            kill_time = rest
        return Timing.derive(
            length,
            kill_time=kill_time,
            stop_timeout=chance.choice((1.0, 4.0, 12.0)),
        )

    def roll_out(self) -> None:
        """
        Give candidates that are made from now on another lease length, or not.
        """
        self.other = self._timing(23.0 - self.length)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.chance.random()

    def rate(self) -> float:
        """
        Return a clock rate: any two differ by less than ρ.
        """
        half = CLOCK_DRIFT / 2
        return 1.0 + self.chance.choice((-half, 0.0, half, self.between(-half, half)))

    def candidates(self, least: int, most: int, *, calm: bool = False) -> None:
        for index in range(self.chance.randint(least, most)):
            late = index > 0 and self.chance.random() < 0.3
            self.starters.append(
                Starter(
                    at=self.between(0.0, 12.0) if late else 0.3 * index,
                    rate=self.rate(),
                    latency=0.002 if calm else self.chance.choice((0.001, 0.01, 0.05)),
                    lateness=self.chance.choice((0.001, 0.001, 0.2, 0.98)),
                    manners=self.manners(),
                    is_pid_1=self.chance.random() < 0.7,
                    timing=self.other if self.chance.random() < 0.5 else None,
                )
            )

    def manners(self) -> Manners:
        chance = self.chance.random()
        if chance < 0.4:
            return Manners()
        if chance < 0.6:
            return Manners(stop_takes=self.between(0.2, 6.0))
        return Manners(stop_takes=FOREVER, kill_takes=self.chance.choice((0.005, 0.3)))

    def add(
        self,
        kind: str,
        *,
        at: float | None = None,
        lasts: float = 0.0,
        who: int = LEADER,
        value: float = 0.0,
    ) -> Fault:
        start = self.between(self.begin, self.begin + 10.0) if at is None else at
        fault = Fault(kind=kind, at=start, until=start + lasts, who=who, value=value)
        self.faults.append(fault)
        return fault

    def anyone(self) -> int:
        choices: list[int] = [LEADER, LEADER, *range(len(self.starters))]
        return self.chance.choice(choices)

    def finish(self, theme: str) -> Plan:
        ends = [max(fault.at, fault.until) for fault in self.faults]
        ends += [starter.at for starter in self.starters]
        late = max((f.value for f in self.faults if f.kind == "late"), default=0.0)
        quiet_at = max([*ends, self.begin]) + late
        stop = self.timing.stop_timeout
        longest = 15.0 if self.other else self.length
        horizon = quiet_at + 2.2 * longest + 6.0 + stop
        options: dict[str, object] = dict(self.options)
        return Plan(
            seed=self.seed,
            theme=theme,
            timing=self.timing,
            starters=tuple(self.starters),
            faults=tuple(sorted(self.faults, key=lambda fault: fault.at)),
            quiet_at=quiet_at,
            horizon=horizon,
            **options,  # type: ignore[arg-type]  # each theme names fields of Plan
        )
