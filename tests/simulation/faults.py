"""
How each kind of fault is done to the simulated world, and undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from k8s_leader.election.orders import switchover_order, term_name
from k8s_leader.election.record import Record, micro_time
from tests.simulation.candidate import Candidate
from tests.simulation.plan import LEADER, Fault

if TYPE_CHECKING:
    from tests.simulation.network import Link
    from tests.simulation.run import World

__all__ = ["KINDS", "apply"]

Undo = Callable[[], None]
OnOne = Callable[["World", Candidate, Fault], Undo | None]
OnStore = Callable[["World", Fault], Undo | None]


def apply(world: World, fault: Fault) -> None:
    """
    Do what the fault says; it is undone at its end.
    """
    on_store = _ON_STORE.get(fault.kind)
    if on_store is not None:
        world.checks.trace("FAULT", str(fault))
        undo = on_store(world, fault)
    else:
        who = _target(world, fault)
        if who is None:
            return
        world.checks.trace("FAULT", f"{fault} ({who.name})")
        undo = _ON_ONE[fault.kind](world, who, fault)
    if undo is not None:
        world.scheduler.at(max(fault.until, fault.at), _undo, world, fault, undo)


def _undo(world: World, fault: Fault, undo: Undo) -> None:
    world.checks.trace("FAULT", f"end of {fault}")
    undo()


def _target(world: World, fault: Fault) -> Candidate | None:
    there = world.candidates
    if fault.who == LEADER:
        leading = [each for each in there.values() if each.tree.exists]
        return leading[0] if leading else next(iter(there.values()), None)
    return there.get(fault.who)


# -- the network -----------------------------------------------------------------


def _counted(links: list[Link], *attributes: str) -> Undo:
    """
    Count up what may be done to a link by several faults at once.
    """

    def add(number: int) -> None:
        for link in links:
            for name in attributes:
                setattr(link, name, getattr(link, name) + number)

    add(1)
    return lambda: add(-1)


def _levelled(links: list[Link], attribute: str, value: float) -> Undo:
    def put(level: float) -> None:
        for link in links:
            setattr(link, attribute, level)

    put(value)
    return lambda: put(0.0)


def _count(*attributes: str) -> OnOne:
    return lambda _, who, __: _counted([who.link], *attributes)


def _level(attribute: str) -> OnOne:
    return lambda _, who, fault: _levelled([who.link], attribute, fault.value)


def _late(_: World, who: Candidate, fault: Fault) -> Undo:
    link = who.link
    link.late, link.late_by = 0.3, fault.value

    def undo() -> None:
        link.late = 0.0

    return undo


def _break(world: World, _: Candidate, __: Fault) -> None:
    world.server.break_streams()


# -- processes and machines --------------------------------------------------------


def _freeze_elector(_: World, who: Candidate, __: Fault) -> Undo:
    return who.freeze_elector()


def _freeze_guard(world: World, who: Candidate, __: Fault) -> Undo:
    guard = who.guard
    guard.stop_()

    def undo() -> None:
        world.checks.excuse(who)
        guard.cont()

    return undo


def _freeze_both(world: World, who: Candidate, fault: Fault) -> Undo:
    thaw_elector = who.freeze_elector()
    thaw_guard = _freeze_guard(world, who, fault)

    def undo() -> None:
        thaw_guard()
        thaw_elector()

    return undo


def _suspend(world: World, who: Candidate, fault: Fault) -> Undo:
    tree = who.tree
    tree.suspend()
    thaw_both = _freeze_both(world, who, fault)

    def undo() -> None:
        thaw_both()
        tree.resume()

    return undo


def _migrate(world: World, who: Candidate, fault: Fault) -> Undo:
    """
    Move its machine: nothing runs meanwhile, and the boot-time clock does not count it.
    """
    who.tree.suspend()
    thaw_elector = who.freeze_elector()
    who.guard.stop_()

    def undo() -> None:
        who.machine.stood_still(fault.until - fault.at)
        who.guard.cont_at_its_next_look()
        who.tree.resume()
        thaw_elector()

    return undo


def _crash_elector(_: World, who: Candidate, __: Fault) -> None:
    who.crash_elector()


def _quit(world: World, who: Candidate, fault: Fault) -> None:
    world.checks.quitting(who)
    who.quit()


def _kill(_: World, who: Candidate, __: Fault) -> None:
    who.kill()


def _restart(world: World, who: Candidate, fault: Fault) -> None:
    who.kill()
    world.scheduler.after(fault.value, who.start)


def _kill_workload(_: World, who: Candidate, __: Fault) -> None:
    who.tree.kill()


def _stuck(_: World, who: Candidate, __: Fault) -> None:
    who.stuck = True


def _wall_jump(_: World, who: Candidate, fault: Fault) -> None:
    who.machine.wall_offset += fault.value


def _wall_stands(_: World, who: Candidate, __: Fault) -> Undo:
    machine = who.machine
    machine.wall_stands = machine.wall()

    def undo() -> None:
        machine.wall_stands = None

    return undo


def _quit_peer(world: World, _: Fault) -> None:
    for peer in world.peers[:1]:
        peer.quit()


def _cut_peer(world: World, _: Fault) -> Undo:
    return _counted(_links_of_peers(world), "requests_cut", "replies_cut")


def _slow_peer(world: World, fault: Fault) -> Undo:
    return _levelled(_links_of_peers(world), "extra", fault.value)


def _links_of_peers(world: World) -> list[Link]:
    return [peer.link for peer in world.peers]


def _kill_peer(world: World, _: Fault) -> None:
    for peer in world.peers[-1:]:
        peer.kill()


# -- the store and foreign writers -------------------------------------------------


def _down(world: World, _: Fault) -> Undo:
    server = world.server
    server.down = True
    server.break_streams()

    def undo() -> None:
        server.down = False

    return undo


def _fails(world: World, fault: Fault) -> Undo:
    server = world.server
    server.fails = fault.value

    def undo() -> None:
        server.fails = 0.0

    return undo


def _edit(change: Callable[[Record, Fault], Record]) -> OnStore:
    def on(world: World, fault: Fault) -> None:
        world.server.edit(lambda record: change(record, fault), "foreigner")

    return on


def _blank(record: Record, _: Fault) -> Record:
    return replace(record, holder="", duration=1.0)


def _steal(record: Record, fault: Fault) -> Record:
    duration = 1.0 if fault.kind == "steal_briefly" else 8.0
    return replace(
        record,
        holder="somebody-else",
        duration=duration,
        transitions=record.transitions + 1,
        acquire_time=micro_time(1_750_000_000.0 + fault.at),
    )


def _renew_time(record: Record, fault: Fault) -> Record:
    return replace(record, renew_time=micro_time(1_750_000_000.0 + fault.at))


def _edit_transitions(record: Record, _: Fault) -> Record:
    return replace(record, transitions=record.transitions + 1)


def _edit_acquire_time(record: Record, fault: Fault) -> Record:
    return replace(record, acquire_time=micro_time(1_750_000_000.0 + fault.at))


def _shorten(record: Record, fault: Fault) -> Record:
    return replace(record, duration=fault.value)


def _no_duration(record: Record, _: Fault) -> Record:
    return replace(record, duration=None)


def _step_down(record: Record, _: Fault) -> Record:
    return replace(record, step_down="true")


def _old_orders(record: Record, _: Fault) -> Record:
    """
    Ask of a term that is over, or of its target itself: nobody has to do anything.
    """
    old = term_name(record.holder, record.transitions - 1 if record.transitions else 9)
    return replace(
        record, step_down=old, switchover=switchover_order("somebody", term=old)
    )


def _odd_orders(record: Record, _: Fault) -> Record:
    return replace(record, paused="maybe", step_down="now!", switchover="a or b")


def _switch_over(world: World, fault: Fault) -> None:
    to = world.candidates.get(int(fault.value))
    target = "nobody-there" if to is None else to.identity
    world.server.edit(lambda record: replace(record, switchover=target), "somebody")


def _pause(world: World, _: Fault) -> Undo:
    server = world.server
    server.edit(lambda record: replace(record, paused="true"), "somebody")

    def undo() -> None:
        server.edit(lambda record: replace(record, paused=None), "somebody")

    return undo


def _coordinator(changes: dict[str, str]) -> OnStore:
    none = dict.fromkeys(changes)

    def on(world: World, _: Fault) -> Undo:
        server = world.server
        server.edit(lambda record: replace(record, **changes), "coordinator")  # type: ignore[arg-type]  # fields of text

        def undo() -> None:
            server.edit(lambda record: replace(record, **none), "coordinator")  # type: ignore[arg-type]  # the same

        return undo

    return on


def _label(world: World, _: Fault) -> None:
    world.server.touch("foreigner")


def _delete(world: World, _: Fault) -> None:
    world.server.delete("foreigner")


def _recreate(world: World, _: Fault) -> None:
    if world.server.stored is not None:
        world.server.delete("foreigner")
        world.server.create(Record(), "foreigner")


def _roll_back(world: World, fault: Fault) -> None:
    world.server.roll_back(fault.value)


_ON_ONE: dict[str, OnOne] = {
    "cut": _count("requests_cut", "replies_cut"),
    "cut_requests": _count("requests_cut"),
    "cut_replies": _count("replies_cut"),
    "refused": _count("refused"),
    "forbidden": _count("forbidden"),
    "throttled": _level("throttled"),
    "stall": _count("watch_stalled"),
    "slow": _level("extra"),
    "answers_late": _level("answers_late"),
    "loses": _level("loses"),
    "doubles": _level("doubles"),
    "late": _late,
    "break": _break,
    "freeze_elector": _freeze_elector,
    "freeze_guard": _freeze_guard,
    "freeze_both": _freeze_both,
    "suspend": _suspend,
    "migrate": _migrate,
    "crash_elector": _crash_elector,
    "quit": _quit,
    "kill": _kill,
    "restart": _restart,
    "kill_workload": _kill_workload,
    "stuck": _stuck,
    "wall_jump": _wall_jump,
    "wall_stands": _wall_stands,
}

_ON_STORE: dict[str, OnStore] = {
    "down": _down,
    "fails": _fails,
    "label": _label,
    "pause": _pause,
    "step_down": _edit(_step_down),
    "switch_over": _switch_over,
    "old_orders": _edit(_old_orders),
    "odd_orders": _edit(_odd_orders),
    "coordinate": _coordinator({"strategy": "OldestEmulationVersion"}),
    "prefer": _coordinator({"preferred_holder": "somebody-else"}),
    "renew_time": _edit(_renew_time),
    "blank": _edit(_blank),
    "blank_unmarked": _edit(_blank),
    "steal": _edit(_steal),
    "steal_briefly": _edit(_steal),
    "edit_transitions": _edit(_edit_transitions),
    "edit_acquire_time": _edit(_edit_acquire_time),
    "shorten": _edit(_shorten),
    "no_duration": _edit(_no_duration),
    "delete": _delete,
    "recreate": _recreate,
    "roll_back": _roll_back,
    "quit_peer": _quit_peer,
    "kill_peer": _kill_peer,
    "cut_peer": _cut_peer,
    "slow_peer": _slow_peer,
}

KINDS = frozenset({*_ON_ONE, *_ON_STORE})
