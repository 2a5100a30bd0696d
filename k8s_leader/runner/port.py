"""
The port of the runner: what it starts and stops.
"""

from __future__ import annotations

from typing import Protocol

from k8s_leader.election.grant import Grant
from k8s_leader.leases.port import Held

__all__ = ["Workload"]


class Workload(Protocol):
    """
    What runs only during a term.

    No method waits; outcomes are reported as events (``WorkloadGone``,
    ``WorkloadStuck``) to the loop.
    """

    def start(self, grant: Grant, held: Held) -> None:
        """
        Start it under this grant. Nothing of an earlier start is left (S15).
        """

    def extend(self, grant: Grant) -> None:
        """
        Let it work until the end of this newer grant.
        """

    def stop(self, *, why: str, budget: float) -> None:
        """
        Tell it to stop now, and kill it ``budget`` seconds later (0: at once).
        """
