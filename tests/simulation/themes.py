"""
What schedules are about: each theme adds its faults to a plan.

Most stay inside the assumptions of the promise; those that leave them say so, and
whether two workloads may then overlap.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.simulation.maker import Maker
from tests.simulation.plan import FOREVER, LEADER, Plan, Starter
from tests.simulation.workload import Manners

__all__ = ["THEMES", "make_plan"]

Theme = Callable[[Maker], None]


def _soup(make: Maker) -> None:
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


def _any_fault(make: Maker, kind: str) -> None:
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


def _partition(make: Maker) -> None:
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


def _errors(make: Maker) -> None:
    """
    Every write is done and answered with an error, while the leader goes.
    """
    make.candidates(1, 3)
    at = make.between(4.0, 8.0)
    fails = make.between(0.8, 1.0)
    make.add("fails", at=at, lasts=1.2 * make.length, value=fails)
    make.add(make.chance.choice(("quit", "kill", "crash_elector")), at=at - 0.1)


def _wall(make: Maker) -> None:
    """
    Wall clocks jump, stand still and disagree.
    """
    make.candidates(2, 3)
    for _ in range(make.chance.randint(1, 3)):
        value = make.chance.choice((-3600.0, -30.0, -5.0, 5.0, 30.0, 3600.0))
        make.add("wall_jump", who=make.anyone(), value=value)
    if make.chance.random() < 0.5:
        make.add("wall_stands", lasts=2.5 * make.length)


def _resume(make: Maker) -> None:
    """
    The elector dies under a running workload, and other things go on.
    """
    make.candidates(1, 3)
    for _ in range(make.chance.randint(1, 3)):
        make.add("crash_elector")
    if make.chance.random() < 0.6:
        kind = make.chance.choice(("cut", "freeze_elector", "label", "down", "quit"))
        _any_fault(make, kind)


def _stopping(make: Maker) -> None:
    """
    Voluntary stops, of workloads that take their time.
    """
    make.candidates(2, 3, calm=True)
    make.options["calm"] = True
    make.add("quit")
    if make.chance.random() < 0.5:
        make.add("quit", at=make.begin + 15.0)


def _labels(make: Maker) -> None:
    """
    Harmless edits of others: nobody loses anything.
    """
    make.candidates(1, 3, calm=True)
    make.options["calm"] = make.options["keeps_term"] = True
    for _ in range(make.chance.randint(1, 6)):
        kinds = ("label", "break", "renew_time", "odd_orders", "old_orders")
        make.add(make.chance.choice(kinds))
    if make.chance.random() < 0.5:
        make.add("stall", at=make.begin, lasts=8.0)


def _orders(make: Maker) -> None:
    """
    People ask for things, beside everything else that the assumptions allow.
    """
    make.candidates(1, 4)
    kinds = (
        *("pause", "step_down", "step_down", "switch_over", "switch_over"),
        *("old_orders", "odd_orders"),
    )
    for _ in range(make.chance.randint(1, 5)):
        lasts = make.between(0.2, 1.5 * make.length)
        value = float(make.chance.randint(0, len(make.starters)))
        make.add(make.chance.choice(kinds), lasts=lasts, value=value)
    for _ in range(make.chance.randint(0, 2)):
        beside = (
            *("cut", "slow", "crash_elector", "freeze_elector", "kill", "quit"),
            *("restart", "label", "stall", "break", "fails", "late", "down"),
        )
        _any_fault(make, make.chance.choice(beside))


def _stuck(make: Maker) -> None:
    """
    The kernel does not let go of a killed workload (D state).
    """
    make.candidates(2, 3)
    manners = Manners(stop_takes=FOREVER, kill_takes=make.between(3.0, 30.0))
    make.starters[0] = Starter(manners=manners)
    make.add("stuck", who=0)
    kind = make.chance.choice(("quit", "cut", "kill_workload"))
    make.add(kind, at=make.between(3.0, 8.0), lasts=make.length * 1.5)


def _endings(make: Maker) -> None:
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


def _outside(make: Maker, *, overlap: bool, calm: bool = False) -> None:
    make.options["inside"] = False
    make.options["overlap_allowed"] = overlap
    make.options["calm"] = calm
    make.candidates(2, 4, calm=calm)


def _blank(make: Maker) -> None:
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


def _delete(make: Maker) -> None:
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


def _steal(make: Maker) -> None:
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


def _displaced(make: Maker) -> None:
    """
    A foreigner takes the record of a leader that cannot see it, and is soon gone.

    Who saw the leader waits for its grant to end, whatever becomes of the foreigner.
    """
    _outside(make, overlap=False)
    make.starters = [_at_start(each) for each in make.starters]
    at = make.between(8.0, 12.0)
    make.add("cut", at=at - 0.5, lasts=1.5 * make.length)
    make.add(make.chance.choice(("steal", "steal_briefly")), at=at)
    ends = ("blank_unmarked", "blank_unmarked", "delete", "recreate", "label")
    make.add(make.chance.choice(ends), at=at + make.between(0.05, 2.0))


def _shorten(make: Maker) -> None:
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


def _no_duration(make: Maker) -> None:
    """
    Somebody takes the duration away: what the holder noted, or our own, counts (S12).
    """
    if make.chance.random() < 0.5:
        make.roll_out()
    _outside(make, overlap=False)
    make.starters = [_at_start(each) for each in make.starters]
    at = make.between(6.0, 12.0)
    make.add("cut", at=at - 0.5, lasts=1.5 * make.length)
    make.add("no_duration", at=at)
    make.add("restart", at=at + 0.1, who=1, value=0.5)


def _coordinator(make: Maker) -> None:
    """
    A coordinator elects for a while, or prefers another holder (interop rule 11).
    """
    _outside(make, overlap=False)
    for _ in range(make.chance.randint(1, 2)):
        kind = make.chance.choice(("coordinate", "prefer"))
        make.add(kind, lasts=make.between(0.1, 9.0))
    if make.chance.random() < 0.5:
        _any_fault(make, make.chance.choice(("cut", "crash_elector", "label")))


def _roll_back(make: Maker) -> None:
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


def _suspend(make: Maker) -> None:
    """
    A machine sleeps, or its guard is stopped: the grant ends unseen.
    """
    _outside(make, overlap=True)
    kind = make.chance.choice(("suspend", "freeze_guard", "freeze_both"))
    make.add(
        kind, at=make.between(4.0, 9.0), lasts=make.between(0.5, 2.0) * make.length
    )


def _migrate(make: Maker) -> None:
    """
    A machine is moved and its boot-time clock stands still meanwhile (S1).

    Often while a request is under way, and then its network is gone.
    """
    _outside(make, overlap=True)
    make.starters = [
        replace(each, at=0.6 * index) for index, each in enumerate(make.starters)
    ]
    at, lasts = make.between(5.0, 10.0), make.between(0.1, 2.0) * make.length
    who = 0
    if make.chance.random() < 0.3:  # while it claims the lease
        make.add("quit", at=at - make.between(0.0, 1.0), who=0)
        who = 1
    if make.chance.random() < 0.7:
        make.add("slow", at=at - 4.0, lasts=4.5, who=who, value=make.length / 5)
    make.add("migrate", at=at, lasts=lasts, who=who)
    if make.chance.random() < 0.7:
        make.add("cut", at=at + lasts - 0.05, lasts=1.5 * make.length, who=who)


def _skew(make: Maker) -> None:
    """
    Clock rates differ by far more than is promised.
    """
    _outside(make, overlap=True)
    make.starters = [
        Starter(rate=make.chance.choice((0.7, 0.9, 1.1, 1.3)), manners=each.manners)
        for each in make.starters
    ]
    make.add("cut", lasts=1.5 * make.length)


def _peers(make: Maker) -> None:
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
    make.add(
        make.chance.choice(("cut_peer", "slow_peer", "label")),
        lasts=make.between(0.2, 1.5) * make.length,
        value=make.between(0.1, 1.0) * make.length / 5,
    )


def _bad_peers(make: Maker) -> None:
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
    "soup": (_soup, 24),
    "partition": (_partition, 14),
    "errors": (_errors, 2),
    "wall": (_wall, 6),
    "resume": (_resume, 7),
    "stopping": (_stopping, 5),
    "labels": (_labels, 4),
    "orders": (_orders, 6),
    "stuck": (_stuck, 4),
    "endings": (_endings, 4),
    "blank": (_blank, 6),
    "delete": (_delete, 5),
    "steal": (_steal, 6),
    "displaced": (_displaced, 3),
    "shorten": (_shorten, 4),
    "no duration": (_no_duration, 2),
    "coordinator": (_coordinator, 2),
    "roll back": (_roll_back, 4),
    "suspend": (_suspend, 3),
    "migrate": (_migrate, 2),
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
    maker = Maker(seed, chance)
    THEMES[chosen][0](maker)
    return maker.finish(chosen)
