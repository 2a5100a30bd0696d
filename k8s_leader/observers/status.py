"""
What is known of one candidacy at this moment, for whoever asks from any thread.

The election's thread replaces one frozen value; readers take it whole. Nobody waits
for anybody, and whether we lead is worked out when it is asked, from the end of the
grant: a deposed or hung leader never appears as one (S1).
"""

from __future__ import annotations

from dataclasses import replace

from k8s_leader.clock import Clock
from k8s_leader.election.events import State
from k8s_leader.election.grant import Grant
from k8s_leader.election.timing import Timing
from k8s_leader.observers.port import (
    GrantMoved,
    HolderSeen,
    Notice,
    PauseSeen,
    RecordSeen,
    RequestDone,
    StateChanged,
    WorkloadExited,
    WorkloadStarted,
)
from k8s_leader.values import dataclass

__all__ = ["Candidacy", "Failure", "Snapshot", "Status"]

_TERMLESS = (State.STANDBY, State.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidacy:
    """
    What does not change while a candidate lives.

    Attributes:
        identity: of the candidate.
        lease: the lease's name, or the path of its file.
        namespace: of the lease; empty where there are none.
        timing: the durations it campaigns with.
        tied_by: what ends the workload's whole tree with a guard that is killed;
            ``None`` without a guard.
    """

    identity: str
    lease: str
    namespace: str
    timing: Timing
    tied_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """
    A request to the store that failed.

    Attributes:
        operation: what was asked.
        error: the kind of error.
        message: what went wrong, for people.
        at: boot-time seconds.
    """

    operation: str
    error: str
    message: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    All that changes; instants are boot-time seconds.

    Attributes:
        state: of the election.
        since: when that state was entered.
        reason: why, in a word or two.
        holder: who holds the lease, as far as known; empty: nobody.
        paused: whether people asked all candidates to stay where they are.
        token: fencing token of the running or last term.
        term: which term of the lease that is, where the store counts them.
        grant: of the running term.
        published: fencing token that the record published last; ``None``: none.
        transitions: how often the lease changed hands, by its record.
        led_since: when the running term began; ``None`` when none runs.
        led_before: seconds led in earlier terms.
        heard_at: when the store last answered.
        renewed_at: when a renewal was last confirmed.
        failure: the last one; kept after the store answers again.
        pid: of the workload's first process.
        started_at: when the workload started; ``None``: it does not run.
        exit_code: of the last workload that ended by itself or was stopped.
    """

    state: State = State.IDLE
    since: float = 0.0
    reason: str = ""
    holder: str = ""
    paused: bool = False
    token: int | None = None
    term: int | None = None
    grant: Grant | None = None
    published: int | None = None
    transitions: int = 0
    led_since: float | None = None
    led_before: float = 0.0
    heard_at: float | None = None
    renewed_at: float | None = None
    failure: Failure | None = None
    pid: int | None = None
    started_at: float | None = None
    exit_code: int | None = None

    def is_leader(self, now: float) -> bool:
        """
        Tell whether a term runs whose grant has not ended at ``now``.
        """
        return self.state.holds and self.grant is not None and now < self.grant.until

    def led_for(self, now: float) -> float:
        """
        Return all seconds led until ``now``; no grant counts beyond its end.
        """
        if self.led_since is None:
            return self.led_before
        until = now if self.grant is None else min(now, self.grant.until)
        return self.led_before + max(0.0, until - self.led_since)

    @property
    def is_reachable(self) -> bool:
        """
        Tell whether the store answered the last request.
        """
        if self.heard_at is None:
            return False
        return self.failure is None or self.failure.at <= self.heard_at


class Status:
    """
    The observer that keeps the present :class:`Snapshot`.

    Args:
        candidacy: who this is about.
        clock: tells when a notice came.
    """

    def __init__(self, candidacy: Candidacy, *, clock: Clock) -> None:
        self.candidacy = candidacy
        self.clock = clock
        self.now = Snapshot(since=clock.now())

    @property
    def is_leader(self) -> bool:
        """
        Tell whether this candidate leads now; from any thread.
        """
        return self.now.is_leader(self.clock.now())

    def on_notice(self, notice: Notice) -> None:
        """
        Take note.
        """
        match notice:
            case StateChanged():
                self._state(notice)
            case RequestDone():
                self._request(notice)
            case HolderSeen():
                self.now = replace(self.now, holder=notice.holder)
            case RecordSeen(token=published, transitions=count):
                self.now = replace(self.now, published=published, transitions=count)
            case PauseSeen(paused=paused):
                self.now = replace(self.now, paused=paused)
            case GrantMoved(grant=grant):
                self.now = replace(self.now, grant=grant, token=grant.token)
            case WorkloadStarted():
                at = self.clock.now()
                self.now = replace(self.now, pid=notice.pid, started_at=at)
            case WorkloadExited(code=code):
                self.now = replace(self.now, pid=None, started_at=None, exit_code=code)

    def _state(self, notice: StateChanged) -> None:
        at, old = self.clock.now(), self.now
        holds = notice.after.holds
        ends = old.led_since is not None and not holds
        self.now = replace(
            old,
            state=notice.after,
            since=at,
            reason=notice.reason,
            holder=notice.holder,
            token=old.token if notice.token is None else notice.token,
            term=old.term if notice.term is None else notice.term,
            grant=None if notice.after in _TERMLESS else old.grant,
            led_since=(old.led_since or at) if holds else None,
            led_before=old.led_for(at) if ends else old.led_before,
        )

    def _request(self, notice: RequestDone) -> None:
        at = self.clock.now()
        if notice.error is not None:
            failure = Failure(
                operation=notice.operation,
                error=notice.error,
                message=notice.message,
                at=at,
            )
            self.now = replace(self.now, failure=failure)
            return
        renewed = at if notice.operation == "renew" else self.now.renewed_at
        self.now = replace(self.now, heard_at=at, renewed_at=renewed)
