"""
The ports of the runner: what it starts and stops, and whom it tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from k8s_leader.election.events import State
from k8s_leader.election.grant import Grant
from k8s_leader.leases.port import Held

__all__ = ["Observer", "Transition", "Workload"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """
    A change of a candidate's state.

    Attributes:
        before: the state left.
        after: the state entered.
        reason: why, in a word or two; may be empty.
        token: fencing token of the term concerned, if there is one.
        holder: who holds the lease, as far as known.
    """

    before: State
    after: State
    reason: str
    token: int | None
    holder: str


class Observer(Protocol):
    """
    Anything told about the election; it can neither delay nor fail it.
    """

    def on_transition(self, transition: Transition) -> None:
        """
        Take note of a change; must return at once. What it raises is logged.
        """
