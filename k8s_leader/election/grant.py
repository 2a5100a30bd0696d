"""
The grant: permission to work until an instant on the boot-time clock.

A grant is counted from ``sent``, the clock's reading **before** the request of the
last confirmed renewal was sent (rule S1). It expires by itself; nobody has to come
and take it away. The guard imports this module: standard library only.
"""

from __future__ import annotations

from k8s_leader.values import dataclass

__all__ = ["Grant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """
    Permission for one term to work.

    Attributes:
        token: fencing token of the term; ``None`` when the lease manager has none.
        sent: when the request that won or renewed the lease was sent.
        stop_at: when renewing is given up and the workload is told to stop (S2).
        until: when nothing of the workload may run any more (S1).

    All instants are seconds on the boot-time clock of this machine.
    """

    token: int | None
    sent: float
    stop_at: float
    until: float

    def remaining(self, now: float) -> float:
        """
        Return how many seconds of the grant are left at ``now``; never negative.
        """
        return max(0.0, self.until - now)
