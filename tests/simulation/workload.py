"""
The workload's tree of processes in the simulation, and how it takes being stopped.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.simulation.world import Handle, Scheduler

__all__ = ["Manners", "SimTree"]

_NEVER = float("inf")
_TOO_LATE = 125
_PID = 4711


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """
    How a workload behaves.

    Attributes:
        stop_takes: seconds from the stop signal to its end; infinite: it disobeys.
        kill_takes: seconds from SIGKILL until it can be reaped (it runs no longer).
        lives: seconds after which it ends by itself.
    """

    stop_takes: float = 0.05
    kill_takes: float = 0.005
    lives: float = _NEVER


class SimTree:
    """
    All processes of one workload; stands in for the guard's ``Tree``.

    ``runs`` is what must never overlap: from the start until the last instruction.
    ``exists`` is what forbids a release: until everything is reaped.

    Args:
        now: boot-time seconds of its machine.
        on_run: told when it begins and ends to run.
        on_end: called when there is something to reap.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        now: Callable[[], float],
        on_run: Callable[[bool], None],
        on_end: Callable[[], None],
    ) -> None:
        self.manners = Manners()
        self.leader: int | None = None
        self.exists = False
        self.runs = False
        self.dying = False
        self.killed = False
        self.suspended = False  # with the machine
        self._frozen = False  # by the guard
        self._status: int | None = None
        self._scheduler = scheduler
        self._now = now
        self._on_run = on_run
        self._on_end = on_end
        self._ends: list[Handle] = []

    # -- what the guard asks of a tree -------------------------------------------

    def start(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        stop_at: float,
    ) -> int:
        assert not self.exists, "a second workload beside the first"
        self.exists, self.dying, self.killed = True, False, False
        self.leader, self._status = _PID, None
        self._frozen = False
        self._ends = []
        if self._now() >= stop_at:
            self._die(after=0.001, status=_TOO_LATE)
            return _PID
        self._update()
        self._end_after(self.manners.lives)
        return _PID

    def reaped(self, pid: int, status: int) -> int:
        self.leader = None
        return status

    def signal(self, number: int) -> None:
        if number == signal.SIGCONT:
            self._frozen = False
            self._update()
        elif self.exists:
            self._end_after(self.manners.stop_takes)

    def freeze(self) -> None:
        self._frozen = True
        self._update()

    def thaw(self) -> None:
        self._frozen = False
        self._update()

    def kill(self) -> bool:
        if self.exists and not self.dying:
            self.killed = True
            self._die(after=self.manners.kill_takes, status=137)
        return True

    def members(self) -> list[int]:
        return [_PID] if self.exists else []

    def is_empty(self) -> bool:
        return not self.exists

    # -- what the world does with it ---------------------------------------------

    def reap(self) -> tuple[int, int] | None:
        """
        Return pid and status of what has ended and was not reaped yet.
        """
        if self._status is None:
            return None
        status, self._status = self._status, None
        self.exists = False
        return _PID, status

    def vanish(self) -> None:
        """
        End with the PID namespace: nobody is told.
        """
        self._cancel_ends()
        self.exists, self.leader, self._status = False, None, None
        self._update()

    def suspend(self) -> None:
        self.suspended = True
        self._update()

    def resume(self) -> None:
        self.suspended = False
        self._update()

    def _end_after(self, delay: float) -> None:
        if delay < _NEVER and not self.dying:
            self._ends.append(self._scheduler.after(delay, self._end))

    def _end(self) -> None:
        if not self.exists or self.dying:
            return
        if self._frozen or self.suspended:  # it cannot end while it is stopped
            self._end_after(0.1)
            return
        self._die(after=0.001, status=0)

    def _die(self, *, after: float, status: int) -> None:
        self.dying = True
        self._cancel_ends()
        self._update()
        self._scheduler.after(after, self._dead, status)

    def _dead(self, status: int) -> None:
        if self.exists:
            self._status = status
            self._on_end()

    def _cancel_ends(self) -> None:
        for handle in self._ends:
            handle.cancel()
        self._ends = []

    def _update(self) -> None:
        stopped = self.dying or self._frozen or self.suspended
        runs = self.exists and not stopped
        if runs is not self.runs:
            self.runs = runs
            self._on_run(runs)
