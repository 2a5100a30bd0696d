"""
What can happen to an election (events) and what it wants done (actions).

Events are facts that the runner reports; actions are wishes that the runner carries
out and whose outcome comes back as events. Instants are boot-time seconds.
"""

from __future__ import annotations

from enum import StrEnum

from k8s_leader.election.grant import Grant
from k8s_leader.election.observation import LossReason
from k8s_leader.election.timing import Timing
from k8s_leader.values import dataclass

__all__ = [
    "Acquire",
    "Action",
    "AttemptFailed",
    "Cancel",
    "Doubt",
    "Event",
    "ExtendGrant",
    "Finish",
    "LeaseLost",
    "LeaseShortened",
    "NotWon",
    "Release",
    "ReleaseFailed",
    "Released",
    "Renew",
    "RenewFailed",
    "Renewed",
    "Resume",
    "Start",
    "StartWorkload",
    "State",
    "StepDown",
    "Stop",
    "StopWorkload",
    "Tick",
    "Wake",
    "WakeAt",
    "Won",
    "WorkloadGone",
    "WorkloadStuck",
]


class State(StrEnum):
    """
    Where a candidate stands.

    ``stopping`` is a voluntary end of the term (renewed until the tree is gone),
    ``losing`` an involuntary one (nothing is renewed any more).
    """

    IDLE = "idle"
    STANDBY = "standby"
    ACQUIRING = "acquiring"
    LEADING = "leading"
    STOPPING = "stopping"
    LOSING = "losing"
    RELEASING = "releasing"
    STOPPED = "stopped"

    @property
    def holds(self) -> bool:
        """
        Tell whether the lease is held and kept: leading, or stopping voluntarily.
        """
        return self in (State.LEADING, State.STOPPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """
    Begin to campaign.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """
    Go on with a term that runs already; its record was checked (S16).
    """

    grant: Grant
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """
    The lease may be free: try now (a watch event, or the hint of a timer).
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """
    The instant of the last ``WakeAt`` has come (or any other moment).
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """
    The acquiring write was confirmed; it had been sent at ``sent`` (S1).
    """

    token: int | None
    sent: float
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWon:
    """
    The lease may not be taken before ``retry_at`` (``None``: not by waiting alone).
    """

    retry_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """
    The store could not be asked; try again at ``retry_at``.
    """

    retry_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """
    A renewal that was sent at ``sent`` was confirmed.
    """

    sent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewFailed:
    """
    A renewal was not confirmed; that alone loses nothing. Try again at ``retry_at``.
    """

    retry_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """
    The clocks jumped against each other: have the lease confirmed at once (S1).
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLost:
    """
    The record is not this term's any more (S3).
    """

    reason: LossReason


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseShortened:
    """
    Somebody lowered the duration in the record: others may take it earlier (S8).
    """

    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDown:
    """
    Give this term up voluntarily, stay out for ``backoff`` seconds, campaign again.
    """

    backoff: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """
    End the candidacy: stop the workload, release, finish.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadGone:
    """
    Nothing of the workload is left (reaped, verified).

    Attributes:
        backoff: seconds to stay out if the workload ended by itself.
    """

    backoff: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadStuck:
    """
    The workload cannot be made to go (uninterruptible): never release (S4, S5).
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """
    The lease was given up, or was not ours to give up any more.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFailed:
    """
    The releasing write was not confirmed; try again at ``retry_at``.
    """

    retry_at: float


Event = (
    Start
    | Resume
    | Wake
    | Tick
    | Won
    | NotWon
    | AttemptFailed
    | Renewed
    | RenewFailed
    | Doubt
    | LeaseLost
    | LeaseShortened
    | StepDown
    | Stop
    | WorkloadGone
    | WorkloadStuck
    | Released
    | ReleaseFailed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquire:
    """
    Try to take the lease; be done by ``deadline`` (S6).
    """

    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """
    Renew the lease; be done by ``deadline`` (S6).
    """

    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """
    Give the lease up; be done by ``deadline``. The workload is gone (S5).
    """

    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """
    Drop the request that is under way; its outcome is of no interest any more.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWorkload:
    """
    A term begins: start the workload under this grant.
    """

    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendGrant:
    """
    The running workload may work until the end of this grant.
    """

    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWorkload:
    """
    Tell the workload to stop now and kill it ``budget`` seconds later (0: at once).
    """

    why: str
    budget: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeAt:
    """
    Send a ``Tick`` at this instant; replaces the one before.
    """

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """
    The candidacy is over.
    """


Action = (
    Acquire
    | Renew
    | Release
    | Cancel
    | StartWorkload
    | ExtendGrant
    | StopWorkload
    | WakeAt
    | Finish
)
