"""
The workload's tree of processes in the simulation, and how it takes being stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.world import Handle, Scheduler

__all__ = ["Manners", "Tree"]

_NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """
    How a workload behaves.

    Attributes:
        stop_takes: seconds from the stop signal to its end; infinite: it disobeys.
        kill_takes: seconds from SIGKILL until it is reaped (it runs no longer).
        lives: seconds after which it ends by itself.
    """

    stop_takes: float = 0.05
    kill_takes: float = 0.005
    lives: float = _NEVER


class Tree:
    """
    All processes of one workload.

    ``runs`` is what must never overlap: from the start until the last instruction.
    ``exists`` is what forbids a release: until everything is reaped.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        on_run: Callable[[bool], None],
        on_reaped: Callable[[], None],
    ) -> None:
        self.manners = Manners()
        self.exists = False
        self.runs = False
        self.code = 0
        self.killed = False
        self._frozen = 0
        self._dying = False
        self._scheduler = scheduler
        self._on_run = on_run
        self._on_reaped = on_reaped
        self._ends: list[Handle] = []

    def start(self) -> None:
        assert not self.exists
        self.exists, self._dying, self.killed = True, False, False
        self._ends = []
        self._update()
        self._end_after(self.manners.lives)

    def signal_stop(self) -> None:
        if self.exists:
            self._end_after(self.manners.stop_takes)

    def kill(self) -> None:
        if self.exists and not self._dying:
            self._dying = self.killed = True
            self._cancel_ends()
            self._update()
            self._scheduler.after(self.manners.kill_takes, self._reaped)

    def vanish(self) -> None:
        """
        End with the PID namespace: nobody is told.
        """
        self._cancel_ends()
        self.exists = False
        self._update()

    def freeze(self) -> None:
        self._frozen += 1
        self._update()

    def thaw(self) -> None:
        self._frozen -= 1
        self._update()

    def _end_after(self, delay: float) -> None:
        if delay < _NEVER and not self._dying:
            self._ends.append(self._scheduler.after(delay, self._end))

    def _end(self) -> None:
        if not self.exists or self._dying:
            return
        if self._frozen:  # it cannot end while it is stopped
            self._end_after(0.1)
            return
        self._dying = True
        self._cancel_ends()
        self._update()
        self._scheduler.after(0.001, self._reaped)

    def _reaped(self) -> None:
        if self.exists:
            self.exists = False
            self._on_reaped()

    def _cancel_ends(self) -> None:
        for handle in self._ends:
            handle.cancel()
        self._ends = []

    def _update(self) -> None:
        runs = self.exists and not self._dying and not self._frozen
        if runs is not self.runs:
            self.runs = runs
            self._on_run(runs)
