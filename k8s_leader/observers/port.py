"""
The observer port: what is told about an election, and to whom.

Notices are facts that have happened already. They are told in order: first to what the
package itself observes with (status, counts, streams, the cluster, the log), one after
the other in the election's thread, where each returns at once; then to users' own
observers, each in a thread of its own (``apart.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from logging import getLogger
from typing import Literal, Protocol

from k8s_leader.election.events import State
from k8s_leader.election.grant import Grant
from k8s_leader.values import dataclass

__all__ = [
    "Audience",
    "ClockJumped",
    "GrantMoved",
    "HolderSeen",
    "Notice",
    "Observer",
    "Operation",
    "PauseSeen",
    "RecordSeen",
    "RequestDone",
    "StateChanged",
    "WorkloadExited",
    "WorkloadStarted",
]

_logger = getLogger(__name__)

Operation = Literal["acquire", "renew", "release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """
    A candidate's state changed.

    Attributes:
        before: the state left.
        after: the state entered.
        reason: why, in a word or two; may be empty.
        token: fencing token of the term concerned, if there is one.
        holder: who holds the lease, as far as known; empty: nobody.
        term: which term of the lease it is, where its store counts them.
    """

    before: State
    after: State
    reason: str
    token: int | None
    holder: str
    term: int | None = None

    @property
    def is_routine(self) -> bool:
        """
        Tell whether it is only another attempt of a standby, or the end of one.
        """
        back = self.before is State.ACQUIRING and self.after is State.STANDBY
        return self.after is State.ACQUIRING or back


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderSeen:
    """
    The record names another holder than before; empty: nobody.
    """

    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSeen:
    """
    The record says other things of its terms than before, whosever they are.

    It is told before a `HolderSeen` of the same change.

    Attributes:
        token: the last fencing token that was published; ``None``: none was.
        transitions: how often the lease changed hands.
        released_by: who gave the free lease up in order; ``None``: it is held, or
            somebody blanked it.
    """

    token: int | None
    transitions: int
    released_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJumped:
    """
    The wall clock jumped against the boot-time clock: the machine may have slept.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSeen:
    """
    People asked all candidates to stay where they are, or take that back.
    """

    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantMoved:
    """
    The running term may work until the end of this grant (at its start, and after).
    """

    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDone:
    """
    A request to the lease's store is over.

    Attributes:
        operation: what was asked.
        seconds: from before it was sent to its answer.
        error: what went wrong with the store; ``None``: it answered.
        left: seconds that were left of the grant when a renewal was confirmed, before
            it was moved; ``None`` for everything else.
        message: of the error, for people.
    """

    operation: Operation
    seconds: float
    error: str | None = None
    left: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadStarted:
    """
    The workload of a term runs.

    Attributes:
        token: the term's fencing token.
        pid: of its first process; ``None`` in-process.
    """

    token: int | None
    pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadExited:
    """
    Nothing of the workload is left.

    Attributes:
        token: the term's fencing token.
        code: its exit code (128 + n on a signal); ``None`` in-process.
    """

    token: int | None
    code: int | None = None


Notice = (
    StateChanged
    | HolderSeen
    | RecordSeen
    | ClockJumped
    | PauseSeen
    | GrantMoved
    | RequestDone
    | WorkloadStarted
    | WorkloadExited
)


class Observer(Protocol):
    """
    Anything told about the election; it can neither delay nor fail it.
    """

    def on_notice(self, notice: Notice) -> None:
        """
        Take note. What it raises is logged, and only logged.

        A user's observer may take its time: it is told in a thread of its own.
        """


class Audience:
    """
    Tells several observers, in order; one that raises harms nobody.

    Args:
        observers: told in this order.
    """

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = tuple(observers)

    def tell(self, notice: Notice) -> None:
        """
        Tell every observer.
        """
        for observer in self._observers:
            try:
                observer.on_notice(notice)
            except Exception:
                _logger.exception("an observer failed; the election goes on")
