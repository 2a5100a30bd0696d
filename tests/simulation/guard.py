"""
The guard of the simulation: its deadlines, on the project's own reading of grants.

``Term`` and ``Times`` are the real ones; the loop around them is modelled: drain the
socket, read the clock, act. It can be stopped, and is always a little late.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

from k8s_leader.guard.term import Refusal, Term, Times
from tests.simulation.workload import Tree
from tests.simulation.world import Handle, Machine, Scheduler

__all__ = ["GuardModel", "Message"]

Message = dict[str, Any]

_NEVER = float("inf")
_PULSE = 0.25


class GuardModel:
    """
    The guard process of one candidate.

    Attributes:
        term: what it runs now.
        lateness: it is scheduled up to so many seconds late.
        tell: sends the elector a message; set by the candidate.
        on_term: called when a term begins or its grant moves.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        machine: Machine,
        tree: Tree,
        *,
        timing: dict[str, float],
        chance: random.Random,
    ) -> None:
        self.term: Term | None = None
        self.quits = 0
        self.alive = True
        self.stops = 0
        self.lateness = 0.001
        self.refusals: list[str] = []
        self.tell: Callable[[str, Message], None] = lambda *_: None
        self.on_term: Callable[[Term], None] = lambda _: None
        self.on_idle: Callable[[], None] = lambda: None
        self._scheduler = scheduler
        self._machine = machine
        self._tree = tree
        self._timing = timing
        self._chance = chance
        self._inbox: deque[Message] = deque()
        self._timer: Handle | None = None
        self._due = False

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

    def quit(self) -> None:
        """
        Take SIGTERM.
        """
        self.quits += 1
        self.tell("stopping", {"why": "SIGTERM"})
        term = self.term
        if term is not None:
            budget = 0.0 if self.quits > 1 else self._timing["stop_timeout"]
            self._stop(term, "SIGTERM", kill_at=self._machine.now() + budget)
        self.wake()

    def hang_up(self) -> None:
        """
        Drop what a dead elector had said and nobody read.
        """
        self._inbox.clear()

    # -- one turn ----------------------------------------------------------------

    def _turn(self) -> None:
        self._due = False
        if not self.alive or self.stops:
            return
        now = self._machine.now()
        while self._inbox:
            self._hear(self._inbox.popleft(), now)
        self._enforce(now)
        self._settle()
        self._sleep(now)

    def _hear(self, message: Message, now: float) -> None:
        kind = message["type"]
        try:
            if kind == "start":
                self.hear_start(message, now)
            elif kind == "extend":
                self.hear_extend(message, now)
            elif kind == "stop":
                self.hear_stop(message, now)
        except Refusal as exc:
            self.refusals.append(f"{kind}: {exc}")
            if kind == "start":
                self.tell("refused", {"token": message.get("token")})

    def hear_start(self, message: Message, now: float) -> None:
        if self.term is not None or self._tree.exists:
            raise Refusal("the tree of an earlier start is not gone")
        if self.quits:
            raise Refusal("this guard is stopping")
        self.term = Term.read(message, timing=self._timing, now=now)
        self.on_term(self.term)
        self._tree.start()
        self.tell("started", {"token": self.term.token})

    def hear_extend(self, message: Message, now: float) -> None:
        term = self.term
        if term is None or message.get("token") != term.token:
            raise Refusal("it is for another term")
        times = Times.read(message, timing=self._timing, now=now)
        if times.sent < term.times.sent:
            raise Refusal("it is older than the one before")
        if now >= term.times.until:
            raise Refusal("the grant has ended")
        term.times = times
        self.on_term(term)
        self.tell("ack", {"token": term.token, "until": times.until})

    def hear_stop(self, message: Message, now: float) -> None:
        term = self.term
        if term is None:
            return
        if message.get("token") != term.token:
            raise Refusal("it is for another term")
        self._stop(term, str(message["why"]), kill_at=now + message["budget"])

    def _stop(self, term: Term, why: str, *, kill_at: float) -> None:
        if term.stop(why, kill_at=kill_at) and kill_at > self._machine.now():
            self._tree.signal_stop()

    def _enforce(self, now: float) -> None:
        term = self.term
        if term is None:
            return
        kill_time = self._timing["kill_time"]
        if now >= term.times.stop_at:
            self._stop(term, "the grant ends", kill_at=now + kill_time)
        if now >= term.hard_deadline(kill_time=kill_time):
            term.stop("deadline", kill_at=now)
            term.killing = True
            self._tree.kill()

    def _settle(self) -> None:
        term = self.term
        if term is not None and not self._tree.exists:
            self.term = None
            self.tell("gone", {"token": term.token, "code": self._tree.code})
        if self.quits and self.term is None:
            self.on_idle()

    def _sleep(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        term = self.term
        if term is None or term.killing:
            return
        due = term.hard_deadline(kill_time=self._timing["kill_time"])
        soonest = due if term.stopping else min(due, term.times.stop_at)
        at = self._machine.true(max(soonest, now + 0.001)) + 1e-7
        self._timer = self._scheduler.at(at, self.wake)
