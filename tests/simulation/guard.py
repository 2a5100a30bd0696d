"""
The guard process of the simulation: the real ``Workload`` in a loop of virtual time.

What holds grants and deadlines is the real code of ``guard.workload``, ``guard.term``
and ``guard.watchdog``. What ``guard.supervisor`` does around it with sockets, signals
and processes is modelled here: drain the socket, read the clock, act.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from k8s_leader.election.timing import Timing
from k8s_leader.guard.log import Log
from k8s_leader.guard.term import Refusal, Term
from k8s_leader.guard.tree import Tree
from k8s_leader.guard.watchdog import DeadMan, WallClock
from k8s_leader.guard.workload import Workload
from tests.simulation.quick import as_dict
from tests.simulation.workload import SimTree
from tests.simulation.world import Handle, Machine, Scheduler

__all__ = ["PULSE", "GuardModel", "Message"]

Message = dict[str, Any]

PULSE = 0.5
"""A guard whose workload runs looks at its clocks at least so often (seconds)."""

_NEVER = float("inf")
_ELECTOR_PATIENCE = 5.0


class _Silent:
    """
    The guard's log, unheard.
    """

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.fields: dict[str, object] = {}

    def say(self, message: str, *, level: int = 20) -> None:
        """
        Say nothing.
        """


class _KernelTimer:
    """
    The kernel's timer: kills the guard, even a stopped one.
    """

    def __init__(
        self, scheduler: Scheduler, machine: Machine, on_time: Callable[[], None]
    ) -> None:
        self._scheduler = scheduler
        self._machine = machine
        self._on_time = on_time
        self._handle: Handle | None = None

    def arm(self, at: float) -> None:
        self.disarm()
        self._handle = self._scheduler.at(self._machine.true(at), self._fire, at)

    def _fire(self, at: float) -> None:
        if self._machine.is_before(at):  # its clock stood still for a while
            self.arm(at)
        else:
            self._on_time()

    def disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class GuardModel:
    """
    The guard process of one candidate.

    Attributes:
        quits: how often it was told to stop.
        stops: for how many reasons it stands still.
        lateness: it is scheduled up to so many seconds late.
        finishing: its elector ended as it should; no other is started.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        machine: Machine,
        tree: SimTree,
        *,
        identity: str,
        timing: Timing,
        on_exit: str,
        is_pid_1: bool,
        chance: random.Random,
        tell: Callable[..., None],
        on_term: Callable[[Term], None],
        on_over: Callable[[], None],
        on_killed: Callable[[], None],
    ) -> None:
        self.quits = 0
        self.alive = True
        self.stops = 0
        self.lateness = 0.001
        self.finishing = False
        self.give_up_at = _NEVER
        self._tree = tree
        self._timing = timing
        self._tell = tell
        self._on_term = on_term
        self._on_over = on_over
        self._scheduler = scheduler
        self._machine = machine
        self._chance = chance
        self._inbox: deque[Message] = deque()
        self._timer: Handle | None = None
        self._due = False
        config = {
            "timing": as_dict(timing),
            "command": ["work"],
            "stop_signal": 15,
            "on_exit": on_exit,
            "stop_courtesy": 0.1,
        }
        self.workload = Workload(
            config,
            environ={},
            tree=cast("Tree", tree),
            now=machine.now,
            tell=tell,
            log=cast("Log", _Silent(identity)),
        )
        dead_man = object.__new__(DeadMan)
        dead_man._at = 0.0
        timer = None if is_pid_1 else _KernelTimer(scheduler, machine, on_killed)
        dead_man._timer = cast("Any", timer)
        self.workload._dead_man = dead_man
        self.workload._wall = WallClock(
            machine.now, tolerance=timing.safety_margin, wall=machine.wall
        )

    @property
    def term(self) -> Term | None:
        return self.workload.term

    @property
    def is_behind(self) -> bool:
        """
        Tell whether it has yet to hear something, as that its elector is dead.
        """
        return bool(self._inbox)

    @property
    def wants_elector(self) -> bool:
        return not self.finishing and (self.term is not None or not self.quits)

    # -- what wakes it -----------------------------------------------------------

    def receive(self, message: Message) -> None:
        self._inbox.append(message)
        self.wake()

    def wake(self) -> None:
        """
        Have it look soon: as late as it is scheduled.
        """
        if self.alive and not self.stops and not self._due:
            self._due = True
            late = self.lateness * self._chance.random()
            self._scheduler.after(late, self._turn)

    def stop_(self) -> None:
        self.stops += 1

    def cont(self) -> None:
        self.stops -= 1
        self.wake()

    def cont_at_its_next_look(self) -> None:
        """
        Go on as a process whose machine was moved: nothing wakes it but its own timer.
        """
        self.stops -= 1
        self._scheduler.after(PULSE * self._chance.random(), self.wake)

    def quit(self) -> None:
        """
        Take SIGTERM.
        """
        self.receive({"type": "SIGTERM"})

    def elector_ended(self, *, is_final: bool) -> None:
        """
        Have the elector reaped.
        """
        self.receive({"type": "SIGCHLD", "is_final": is_final})

    def die(self) -> None:
        self.alive = False
        self.workload._dead_man.release()

    # -- one turn ----------------------------------------------------------------

    def _turn(self) -> None:
        self._due = False
        if not self.alive or self.stops:
            return
        now = self._machine.now()
        while self._inbox:
            self._hear(self._inbox.popleft(), now)
        self.workload.enforce(now)
        self.workload.settle(now)
        self._settle(now)
        if self.alive:
            self._sleep(now)

    def _hear(self, message: Message, now: float) -> None:
        kind = message["type"]
        try:
            if kind == "start":
                self.workload.hear_start(message, now)
                self._moved()
            elif kind == "extend":
                self.workload.hear_extend(message, now)
                self._moved()
            elif kind == "stop":
                self.workload.hear_stop(message, now)
            elif kind == "SIGTERM":
                self._quit(now)
            elif kind == "SIGCHLD" and message["is_final"]:
                self.workload.close()
                self.workload.stop("the elector ended", budget=0.0, now=now)
                self.finishing = True
        except Refusal as exc:
            if kind == "start":
                self._tell("refused", token=message.get("token"), reason=str(exc))

    def _moved(self) -> None:
        if self.term is not None:
            self._on_term(self.term)

    def _quit(self, now: float) -> None:
        self.quits += 1
        again = self.quits > 1
        self._tell("stopping", why="SIGTERM", escalated=again)
        self.workload.close()
        if self.workload.term is None:
            self.give_up_at = min(self.give_up_at, now + _ELECTOR_PATIENCE)
        if again:
            self.workload.stop("SIGTERM", budget=0.0, now=now)
        else:
            budget = self._timing.stop_timeout
            self.workload.ask_to_stop("SIGTERM", budget=budget, now=now)

    def _reap(self) -> None:
        found = self._tree.reap()
        if found is not None:
            self.workload.reaped(*found)

    def _settle(self, now: float) -> None:
        self._reap_and_settle(now)
        over = self.finishing or self.quits > 0
        if over and self.workload.term is None and self.give_up_at == _NEVER:
            self.give_up_at = now + _ELECTOR_PATIENCE
        self._on_over()

    def _reap_and_settle(self, now: float) -> None:
        if self._tree.leader is not None:
            self._reap()
            self.workload.settle(now)

    def _sleep(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = min(self.workload.next_look(now), self.give_up_at)
        if at < _NEVER:
            at = self._machine.true(max(at, now + 0.001)) + 1e-7
            self._timer = self._scheduler.at(at, self.wake)
