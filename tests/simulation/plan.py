"""
Plans: what will go wrong in one schedule, made from its seed.

A plan is data, so that it can be printed, replayed, and shrunk by leaving faults out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from k8s_leader.election.timing import CLOCK_DRIFT, Timing
from tests.simulation.workload import Manners

__all__ = ["LEADER", "THEMES", "Fault", "Plan", "Starter", "make_plan"]

LEADER = -1
"""Whoever leads when the fault comes."""

FOREVER = float("inf")


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


class _Maker:
    """
    Makes one plan; the themes add to it.
    """

    def __init__(self, seed: int, chance: random.Random) -> None:
        self.seed = seed
        self.chance = chance
        self.length = chance.choice((8.0, 8.0, 8.0, 15.0))
        self.timing = self._timing(self.length)
        self.other: Timing | None = None
        if chance.random() < 0.15:  # somebody rolls out another length
            self.other = self._timing(23.0 - self.length)
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


Theme = Callable[[_Maker], None]


def _soup(make: _Maker) -> None:
    """
    Everything that the assumptions allow, at once.
    """
    make.candidates(1, 4)
    kinds = (
        *("cut", "cut", "cut_requests", "cut_replies", "cut_replies", "refused"),
        *(
            "slow",
            "answers_late",
            "loses",
            "doubles",
            "late",
            "stall",
            "break",
            "down",
            "fails",
        ),
        *("forbidden", "throttled"),
        *("freeze_elector", "crash_elector", "quit", "kill", "restart", "restart"),
        *("label", "wall_jump", "wall_stands", "renew_time"),
    )
    for _ in range(make.chance.randint(2, 7)):
        _any_fault(make, make.chance.choice(kinds))


def _any_fault(make: _Maker, kind: str) -> None:
    lasts = make.between(0.2, 1.5 * make.length)
    value = {
        "slow": make.between(0.1, 1.0) * make.length / 5,
        "answers_late": make.between(0.1, 1.2) * make.length / 5,
        "loses": make.between(0.1, 0.7),
        "doubles": make.between(0.2, 1.0),
        "late": make.between(0.5, 2.0) * make.length,
        "fails": make.between(0.2, 1.0),
        "wall_jump": make.chance.choice((-3600.0, -7.0, -1.0, 5.0, 40.0, 3600.0)),
        "restart": make.between(0.0, 3.0),
        "throttled": make.between(0.5, 5.0),
    }.get(kind, 0.0)
    who = make.anyone()
    if kind in ("quit", "kill", "restart"):
        who = make.chance.choice([LEADER, *range(len(make.starters))])
    make.add(kind, lasts=lasts, who=who, value=value)


def _partition(make: _Maker) -> None:
    """
    The leader loses the store in a bad moment, with a workload that disobeys.
    """
    make.candidates(2, 3)
    slow = make.chance.choice(("slow", "answers_late"))
    make.add(slow, at=make.begin, lasts=30.0, value=make.length / 5)
    kind = make.chance.choice(("cut", "cut_requests", "cut_replies", "freeze_elector"))
    fault = make.add(kind, lasts=2.0 * make.length)
    if make.chance.random() < 0.5:
        make.add("crash_elector", at=fault.at + make.between(0.0, 3.0))


def _wall(make: _Maker) -> None:
    """
    Wall clocks jump, stand still and disagree.
    """
    make.candidates(2, 3)
    for _ in range(make.chance.randint(1, 3)):
        value = make.chance.choice((-3600.0, -30.0, -5.0, 5.0, 30.0, 3600.0))
        make.add("wall_jump", who=make.anyone(), value=value)
    if make.chance.random() < 0.5:
        make.add("wall_stands", lasts=2.5 * make.length)


def _resume(make: _Maker) -> None:
    """
    The elector dies under a running workload, and other things go on.
    """
    make.candidates(1, 3)
    for _ in range(make.chance.randint(1, 3)):
        make.add("crash_elector")
    if make.chance.random() < 0.6:
        kind = make.chance.choice(("cut", "freeze_elector", "label", "down", "quit"))
        _any_fault(make, kind)


def _stopping(make: _Maker) -> None:
    """
    Voluntary stops, of workloads that take their time.
    """
    make.candidates(2, 3, calm=True)
    make.options["calm"] = True
    make.add("quit")
    if make.chance.random() < 0.5:
        make.add("quit", at=make.begin + 15.0)


def _labels(make: _Maker) -> None:
    """
    Harmless edits of others: nobody loses anything.
    """
    make.candidates(1, 3, calm=True)
    make.options["calm"] = make.options["keeps_term"] = True
    for _ in range(make.chance.randint(1, 6)):
        make.add(make.chance.choice(("label", "label", "break", "renew_time")))
    if make.chance.random() < 0.5:
        make.add("stall", at=make.begin, lasts=8.0)


def _stuck(make: _Maker) -> None:
    """
    The kernel does not let go of a killed workload (D state).
    """
    make.candidates(2, 3)
    manners = Manners(stop_takes=FOREVER, kill_takes=make.between(3.0, 30.0))
    make.starters[0] = Starter(manners=manners)
    make.add("stuck", who=0)
    kind = make.chance.choice(("quit", "cut", "kill_workload"))
    make.add(kind, at=make.between(3.0, 8.0), lasts=make.length * 1.5)


def _endings(make: _Maker) -> None:
    """
    Workloads that end by themselves.
    """
    make.candidates(1, 3)
    make.starters = [
        Starter(
            at=each.at,
            rate=each.rate,
            manners=Manners(lives=make.between(0.05, 9.0), stop_takes=0.5),
            on_exit=make.chance.choice(("release", "restart", "exit")),
        )
        for each in make.starters
    ]
    _any_fault(make, make.chance.choice(("cut", "label", "crash_elector", "down")))


def _outside(make: _Maker, *, overlap: bool, calm: bool = False) -> None:
    make.options["inside"] = False
    make.options["overlap_allowed"] = overlap
    make.options["calm"] = calm
    make.candidates(2, 4, calm=calm)


def _blank(make: _Maker) -> None:
    """
    Somebody blanks the record under a working leader (S12): everybody waits.
    """
    _outside(make, overlap=False)
    at = make.between(6.0, 10.0)
    if make.chance.random() < 0.5:
        make.add("cut", at=at - 1.0, lasts=1.5 * make.length)
        if make.chance.random() < 0.3:  # a newcomer that knows only the annotations
            make.add("kill", at=at + 0.5, who=1)
            make.add("restart", at=at + 1.0, who=1)
    make.add("blank", at=at)


def _delete(make: _Maker) -> None:
    """
    Somebody deletes the Lease: who had seen it waits, a newcomer cannot know.
    """
    newcomer = make.chance.random() < 0.4
    _outside(make, overlap=newcomer)
    make.starters = [_at_start(each) for each in make.starters]
    at = make.between(8.0, 12.0)
    if make.chance.random() < 0.6:
        make.add("cut", at=at - 1.0, lasts=1.5 * make.length)
    make.add(make.chance.choice(("delete", "delete", "recreate")), at=at)
    if newcomer:
        make.add("restart", at=at + 0.2, who=1)


def _at_start(starter: Starter) -> Starter:
    return replace(starter, at=0.0)


def _steal(make: _Maker) -> None:
    """
    A foreigner writes itself, or another term, into the record.
    """
    _outside(make, overlap=True, calm=make.chance.random() < 0.5)
    kinds = ("steal", "steal_briefly", "edit_transitions", "edit_acquire_time")
    at = make.between(6.0, 10.0)
    if make.chance.random() < 0.4:
        make.add("crash_elector", at=at - 0.1)
    if make.chance.random() < 0.3:  # unseen, while the leader leaves
        make.options["calm"] = False
        make.add("stall", at=at - 1.0, lasts=3.0)
        make.add("quit", at=at - make.between(0.0, 0.3))
    make.add(make.chance.choice(kinds), at=at)


def _shorten(make: _Maker) -> None:
    """
    Somebody lowers the duration: who knew the longer one is not misled (S7).
    """
    case = make.chance.choice(("newcomer", "newcomer, slow", "newcomer, calm", "known"))
    calm = case == "newcomer, calm"
    _outside(make, overlap=case in ("newcomer", "newcomer, slow"), calm=calm)
    make.starters = [_at_start(each) for each in make.starters]
    at = make.between(6.0, 12.0)
    if case == "newcomer, slow":
        make.add("answers_late", at=at - 4.0, lasts=4.5, value=make.length / 5)
    elif not calm:
        make.add("cut", at=at - 0.5, lasts=1.5 * make.length)
    make.add("shorten", at=at, value=make.chance.choice((1.0, 1.0, 3.0, 6.0)))
    if case != "known":
        make.add("restart", at=at - 0.1, who=1, value=make.between(0.1, 0.15))


def _no_duration(make: _Maker) -> None:
    """
    Somebody takes the duration away: our own counts, also for a newcomer (S12).
    """
    _outside(make, overlap=False)
    # A newcomer knows no other duration than its own: all have the same.
    make.starters = [replace(_at_start(each), timing=None) for each in make.starters]
    at = make.between(6.0, 12.0)
    make.add("cut", at=at - 0.5, lasts=1.5 * make.length)
    make.add("no_duration", at=at)
    make.add("restart", at=at + 0.1, who=1, value=0.5)


def _coordinator(make: _Maker) -> None:
    """
    A coordinator elects for a while, or prefers another holder (interop rule 11).
    """
    _outside(make, overlap=False)
    for _ in range(make.chance.randint(1, 2)):
        kind = make.chance.choice(("coordinate", "prefer"))
        make.add(kind, lasts=make.between(0.1, 9.0))
    if make.chance.random() < 0.5:
        _any_fault(make, make.chance.choice(("cut", "crash_elector", "label")))


def _roll_back(make: _Maker) -> None:
    """
    The store is restored from a backup (S16): leaders stop, everybody waits.
    """
    _outside(make, overlap=False)
    make.options["rolls_back"] = True
    make.starters = [_at_start(each) for each in make.starters]
    at = make.between(9.0, 14.0)
    value = make.between(0.5, 14.0)
    if make.chance.random() < 0.6:
        make.add("quit", at=at - 6.0)
        value = make.chance.choice((0.0, value))
    make.add("roll_back", at=at, value=value)
    if make.chance.random() < 0.5:
        make.add("cut", at=at - 0.2, lasts=make.length)


def _suspend(make: _Maker) -> None:
    """
    A machine sleeps, or its guard is stopped: the grant ends unseen.
    """
    _outside(make, overlap=True)
    kind = make.chance.choice(("suspend", "freeze_guard", "freeze_both"))
    make.add(
        kind, at=make.between(4.0, 9.0), lasts=make.between(0.5, 2.0) * make.length
    )


def _skew(make: _Maker) -> None:
    """
    Clock rates differ by far more than is promised.
    """
    _outside(make, overlap=True)
    make.starters = [
        Starter(rate=make.chance.choice((0.7, 0.9, 1.1, 1.3)), manners=each.manners)
        for each in make.starters
    ]
    make.add("cut", lasts=1.5 * make.length)


def _peers(make: _Maker) -> None:
    """
    Electors like client-go's campaign on the same Lease, and make no mistake.
    """
    make.candidates(1, 2)
    make.options["peers"] = make.chance.randint(1, 2)
    for _ in range(make.chance.randint(1, 3)):
        kinds = (
            *("quit_peer", "kill_peer", "restart", "cut", "label", "wall_jump"),
            *("wall_stands", "wall_stands"),
        )
        _any_fault(make, make.chance.choice(kinds))


def _bad_peers(make: _Maker) -> None:
    """
    The same, with the mistakes that client-go makes: stale blanking, late stops.
    """
    _peers(make)
    make.options["inside"] = False
    make.options["peers_may_overlap"] = True
    make.options["overlap_allowed"] = True
    for _ in range(make.chance.randint(1, 2)):
        make.add(make.chance.choice(("blank_unmarked", "steal_briefly", "quit_peer")))


THEMES: dict[str, tuple[Theme, int]] = {
    "soup": (_soup, 26),
    "partition": (_partition, 14),
    "wall": (_wall, 6),
    "resume": (_resume, 7),
    "stopping": (_stopping, 5),
    "labels": (_labels, 4),
    "stuck": (_stuck, 4),
    "endings": (_endings, 4),
    "blank": (_blank, 6),
    "delete": (_delete, 5),
    "steal": (_steal, 6),
    "shorten": (_shorten, 4),
    "no duration": (_no_duration, 2),
    "coordinator": (_coordinator, 2),
    "roll back": (_roll_back, 4),
    "suspend": (_suspend, 5),
    "skew": (_skew, 2),
    "peers": (_peers, 5),
    "bad peers": (_bad_peers, 3),
}
"""What schedules are about, and how many in a hundred are about it."""


def make_plan(seed: int, *, theme: str | None = None) -> Plan:
    """
    Return the plan of a seed.
    """
    chance = random.Random(seed)
    names = list(THEMES)
    weights = [weight for _, weight in THEMES.values()]
    chosen = chance.choices(names, weights)[0] if theme is None else theme
    maker = _Maker(seed, chance)
    THEMES[chosen][0](maker)
    return maker.finish(chosen)
