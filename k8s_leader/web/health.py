"""
What probes ask: is the election alive, and does this candidate take part in it?

None of it ever means "am I the leader": a standby that is not Ready would block every
rolling update, and a standby that is not live would be restarted for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from k8s_leader.clock import Clock
from k8s_leader.election.events import State
from k8s_leader.observers.status import Status

__all__ = ["Check", "Pulse", "liveness", "readiness"]

Check = Callable[[], str | None]
"""Returns what is wrong, or ``None``."""

_GRACE = 1.0


class Pulse:
    """
    Tells whether the loop of another thread still turns.

    Args:
        loop: to ask.
        clock: boot-time clock.
        limit: seconds without an answer that are too long.

    It asks only when it is asked itself, so that an idle process stays idle: a loop
    that hangs is found by the first probe that comes ``limit`` after another one.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, clock: Clock, limit: float
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._limit = limit
        self._asked_at: float | None = None

    def __call__(self) -> str | None:
        """
        Return what is wrong, or ``None``.
        """
        now = self._clock.now()
        asked_at = self._asked_at
        if asked_at is None:
            self._asked_at = now
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                return "it is over"
            return None
        late = now - asked_at
        return None if late < self._limit else f"it hangs for {late:.1f} s"

    def _answer(self) -> None:
        self._asked_at = None


def liveness(status: Status, others: Mapping[str, Check]) -> dict[str, Check]:
    """
    Return the checks of ``/livez``.

    Args:
        status: of the candidacy.
        others: more of them, by name: the election's pulse, the guard's.
    """

    def ended_grant() -> str | None:
        now, snapshot = status.clock.now(), status.now
        grant = snapshot.grant if snapshot.state.holds else None
        if grant is None or now < grant.until + _GRACE:
            return None
        return "it ended and the election did not notice"

    return {**others, "grant": ended_grant}


def readiness(status: Status, others: Mapping[str, Check]) -> dict[str, Check]:
    """
    Return the checks of ``/readyz``: alive, and the store has answered once.
    """

    def store() -> str | None:
        return "it has not answered yet" if status.now.heard_at is None else None

    def candidacy() -> str | None:
        return "it is over" if status.now.state is State.STOPPED else None

    return {**liveness(status, others), "store": store, "candidacy": candidacy}
