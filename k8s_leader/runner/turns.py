"""
How soon a candidate tries for a lease that has become free.

At once, as long as it may be the only one that waits: that is what makes a hand-over
quick. Who lost race after race knows that there are many, and waits a little, each for
another while: then some write, and the others see in their watch that it is over. Who
led last, and who just came, does not wait.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from k8s_leader.leases.port import Acquisition, Refused

__all__ = ["Turns"]

_MANY: Final = 3
"""Races lost in a row: among three candidates that happens once in eight times."""

_SOONEST: Final = 0.02
_LATEST: Final = 0.2


class Turns:
    """
    The turns of one candidate; belongs to the running loop.
    """

    def __init__(self) -> None:
        self._lost = 0
        self._timer: asyncio.TimerHandle | None = None

    def learn(self, result: Acquisition) -> None:
        """
        Take note of how an attempt ended.
        """
        if not isinstance(result, Refused):
            self._lost = 0
        elif result.beaten:
            self._lost += 1

    def take(self, attempt: Callable[[], None]) -> None:
        """
        Call ``attempt``, now or in a moment; while one waits for its turn it stays one.
        """
        if self._lost < _MANY:
            attempt()
        elif self._timer is None:
            wait = random.uniform(_SOONEST, _LATEST)  # noqa: S311  # no secret
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(wait, self._come, attempt)

    def end(self) -> None:
        """
        Take no more turns.
        """
        if self._timer is not None:
            self._timer.cancel()

    def _come(self, attempt: Callable[[], None]) -> None:
        self._timer = None
        attempt()
