"""
Clocks and deadlines: S1, S2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from k8s_leader.election import events as ev
from k8s_leader.election.events import Action
from k8s_leader.election.machine import Election
from k8s_leader.election.timing import Timing
from k8s_leader.guard.term import Term, Times
from k8s_leader.guard.watchdog import WallClock
from k8s_leader.guard.workload import Workload
from tests.simulation.plan import Plan
from tests.simulation.planted.table import handlers, planted
from tests.simulation.world import Machine


@planted("S1", by="S1, overlap", themes="partition, soup")
def _reply_time() -> Iterator[None]:
    """
    A grant counts from the reply, not from the request.
    """
    real = Election._renewed

    def late(self: Election, event: ev.Renewed, now: float) -> tuple[Action, ...]:
        return real(self, replace(event, sent=now), now)

    with handlers(ev.Renewed, late):
        yield


@planted("S1", by="S1, overlap, past grant", themes="wall")
def _wall_clock() -> Iterator[None]:
    """
    Deadlines are counted on the wall clock, which jumps.
    """
    start = 1_750_000_000.0

    def now(self: Machine) -> float:
        jumped = self.wall_offset - start
        return self.offset + self._scheduler.now * self.rate + jumped

    def true(self: Machine, instant: float) -> float:
        return (instant - (self.wall_offset - start) - self.offset) / self.rate

    with patch.object(Machine, "now", now), patch.object(Machine, "true", true):
        yield


def _without_margin(plan: Plan) -> Plan:
    length = plan.timing.lease_duration
    deadline = plan.timing.renew_deadline
    timing = Timing.derive(
        length, safety_margin=0.01, kill_time=length - deadline - 0.01
    )
    starters = tuple(replace(each, timing=None) for each in plan.starters)
    return replace(plan, timing=timing, starters=starters)


@planted("S1", by="overlap", themes="partition", plan=_without_margin)
def _no_margin() -> Iterator[None]:
    """
    No margin is left for the pause and the drift that are tolerated.
    """
    yield


@planted("S2", by="past grant, overlap", themes="partition, soup")
def _late_kill() -> Iterator[None]:
    """
    The guard kills when somebody tells it to, or seconds after the grant's end.
    """

    def hard_deadline(self: Term, *, kill_time: float) -> float:
        return min(self.kill_at, self.times.until + 3.0)

    def stop(self: Term, why: str, *, kill_at: float) -> bool:
        is_new = not self.stopping
        self.stopping = self.stopping or why
        if why != "the grant ends":
            self.kill_at = min(self.kill_at, kill_at)
        return is_new

    with (
        patch.object(Term, "hard_deadline", hard_deadline),
        patch.object(Term, "stop", stop),
    ):
        yield


@planted("S2", by="S2", themes="partition, soup")
def _late_give_up() -> Iterator[None]:
    """
    Renewing is given up only when the grant ends.
    """
    real = Timing.grant

    def grant(self: Timing, *, token: int | None, sent: float) -> Any:
        made = real(self, token=token, sent=sent)
        return replace(made, stop_at=made.until)

    real_read = Times.read.__func__  # type: ignore[attr-defined]  # of the class

    def read(
        cls: type[Times], message: Any, *, timing: dict[str, float], now: float
    ) -> Times:
        loose = timing | {"renew_deadline": timing["lease_duration"]}
        found: Times = real_read(cls, message, timing=loose, now=now)
        return found

    with (
        patch.object(Timing, "grant", grant),
        patch.object(Times, "read", classmethod(read)),
    ):
        yield


@planted("S1", by="overlap bound", themes="migrate")
def _unseen_jump() -> Iterator[None]:
    """
    A guard does not look at the wall clock, and its machine is moved.
    """
    with patch.object(WallClock, "look", lambda _: 0.0):
        yield


@planted("S1", by="overlap bound", themes="migrate")
def _hidden_jump() -> Iterator[None]:
    """
    A renewal that was under way while the machine was moved hides the jump.
    """
    real = Workload.hear_extend

    def hear_extend(self: Workload, message: dict[str, Any], now: float) -> None:
        self._wall.believe()
        real(self, message, now)

    with patch.object(Workload, "hear_extend", hear_extend):
        yield
