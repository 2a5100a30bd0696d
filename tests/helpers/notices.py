"""
A candidacy told in a few words, for tests of those who are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k8s_leader.election.events import State
from k8s_leader.election.grant import Grant
from k8s_leader.election.timing import Timing
from k8s_leader.observers.families import END_REASONS
from k8s_leader.observers.port import GrantMoved, RequestDone, StateChanged
from k8s_leader.observers.status import Candidacy, Status
from k8s_leader.observers.tally import Tally
from k8s_leader.testing.clock import FakeClock

if TYPE_CHECKING:
    from k8s_leader.observers.port import Notice, Operation

__all__ = ["Story"]


class Story:
    """
    A clock, a status and a tally that hear the same notices in the order of the app.
    """

    def __init__(self, *, lease: str = "reports", namespace: str = "shop") -> None:
        self.clock = FakeClock()
        self.timing = Timing.derive(15.0)
        candidacy = Candidacy(
            identity="a_1", lease=lease, namespace=namespace, timing=self.timing
        )
        self.status = Status(candidacy, clock=self.clock)
        self.sent: dict[tuple[str, ...], int] = {}
        self.tally = Tally(self.status, clock=self.clock, sent=self.sent)
        self.state = State.IDLE

    def tell(self, *notices: Notice) -> None:
        """
        Tell both observers.
        """
        for notice in notices:
            self.status.on_notice(notice)
            self.tally.on_notice(notice)

    def wait(self, seconds: float) -> None:
        """
        Let time pass on both clocks.
        """
        self.clock.set(now=self.clock.now() + seconds, wall=self.clock.wall() + seconds)

    def enter(
        self, state: State, *, reason: str = "", token: int | None = 7, holder: str = ""
    ) -> None:
        """
        Let the state change.
        """
        before, self.state = self.state, state
        change = StateChanged(
            before=before,
            after=state,
            reason=reason,
            token=token,
            holder=holder,
            term=3,
        )
        self.tell(change)

    def answer(
        self,
        operation: Operation,
        *,
        error: str | None = None,
        left: float | None = None,
        seconds: float = 0.004,
    ) -> None:
        """
        Let a request be over.
        """
        message = "it broke" if error else ""
        self.tell(
            RequestDone(
                operation=operation,
                seconds=seconds,
                error=error,
                left=left,
                message=message,
            )
        )

    def grant(self, *, token: int | None = 7) -> Grant:
        """
        Let the grant begin anew from this moment.
        """
        grant = self.timing.grant(token=token, sent=self.clock.now())
        self.tell(GrantMoved(grant=grant))
        return grant

    def lead(self) -> Grant:
        """
        Let a candidate win the lease.
        """
        self.enter(State.ACQUIRING, token=None)
        self.answer("acquire")
        grant = self.grant()
        self.enter(State.LEADING, reason="acquired", holder="a_1")
        return grant

    def ends(self) -> dict[str, float]:
        """
        Return how many terms of others ended, by the way they did.
        """
        return {how: self.value("observed_ends_total", how) for how in END_REASONS}

    def value(self, name: str, *labels: str) -> float:
        """
        Return a number of the report, without the prefix of its name.
        """
        found = self.tally.report()[f"k8s_leader_{name}"][labels]
        assert isinstance(found, float | int)
        return found
