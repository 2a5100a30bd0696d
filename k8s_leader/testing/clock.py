"""
A clock that stands still until a test moves it.
"""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """
    Both clocks of the project, in a test's hand.

    Args:
        now: boot-time seconds.
        wall: Unix seconds.
    """

    def __init__(self, *, now: float = 1000.0, wall: float = 1_750_000_000.0) -> None:
        self._now = now
        self._wall = wall

    def now(self) -> float:
        """
        Return boot-time seconds.
        """
        return self._now

    def wall(self) -> float:
        """
        Return Unix seconds.
        """
        return self._wall

    def set(self, *, now: float | None = None, wall: float | None = None) -> None:
        """
        Set either clock; the wall clock may step back.
        """
        self._now = self._now if now is None else now
        self._wall = self._wall if wall is None else wall

    def advance(self, seconds: float) -> float:
        """
        Move both clocks on and return boot-time seconds.
        """
        self._now += seconds
        self._wall += seconds
        return self._now
