"""
Who guards the guard: the kernel's timer, and the clock on the wall.

A guard that is stopped enforces nothing. Outside PID 1 the kernel then kills it
before the grant ends (S10), which takes the workload along. A machine that was
suspended or moved shows as a jump between its two clocks (S1).
"""

from __future__ import annotations

import os
import time

from k8s_leader.guard.linux import KernelTimer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DeadMan", "WallClock", "last_call"]

_BREATH = 1.0
"""What a guard that kills past its deadline gets, again and again (seconds)."""


def last_call(*, kill_at: float, until: float) -> float:
    """
    Return when others kill in place of a guard that ought to have killed already.

    Halfway between its kill and the grant's end there is time for both.
    """
    return kill_at + max(0.0, until - kill_at) / 2


class DeadMan:
    """
    Kills the guard unless it moves the instant on in time; nothing as PID 1.
    """

    def __init__(self) -> None:
        self._timer: KernelTimer | None = None
        self._at = 0.0
        if os.getpid() != 1:
            try:
                self._timer = KernelTimer()
            except (OSError, AttributeError):
                return

    def hold(self, *, kill_at: float, until: float, now: float) -> None:
        """
        Expect the guard to have killed at ``kill_at``, and to be alive after that.

        The kernel's kill comes between ``kill_at`` and the grant's end ``until``.
        """
        at = last_call(kill_at=kill_at, until=until)
        self._arm(max(at, now + _BREATH) if now >= kill_at else at)

    def release(self) -> None:
        """
        Expect nothing: no workload runs.
        """
        self._arm(0.0)

    def _arm(self, at: float) -> None:
        if self._timer is None or at == self._at:
            return
        self._at = at
        if at > 0.0:
            self._timer.arm(at)
        else:
            self._timer.disarm()


class WallClock:
    """
    Compares the wall clock with the boot-time clock since it was last believed.

    Args:
        now: boot-time seconds.
        tolerance: seconds; a larger jump, in either direction, is suspicious.
        wall: seconds since the epoch.

    Attributes:
        jumped_at: boot-time seconds of the look that found the last jump; a grant that
            was sent before may count from too late a time.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        tolerance: float,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._wall = wall
        self._tolerance = tolerance
        self.jumped_at = float("-inf")
        self.believe()

    def believe(self) -> None:
        """
        Take the two clocks as they stand: the lease was confirmed just now.
        """
        self._offset = self._wall() - self._now()

    def look(self) -> float:
        """
        Return by how many seconds the wall clock jumped; 0 when it did not.

        A jump is found once: the next look is compared with this one.
        """
        now = self._now()
        jump = self._wall() - now - self._offset
        if abs(jump) <= self._tolerance:
            return 0.0
        self.jumped_at = now
        self.believe()
        return jump
