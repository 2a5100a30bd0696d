"""
What metrics are made of: counts of what happened, kept in plain numbers.

Nothing third-party is loaded and no lock is taken: the election's thread counts, and
whoever scrapes copies. That also keeps us out of ``PROMETHEUS_MULTIPROC_DIR``, which
would turn every metric object of prometheus_client into a file there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate

from k8s_leader.clock import Clock
from k8s_leader.election.events import State
from k8s_leader.observers.families import (
    END_REASONS,
    LOSS_REASONS,
    MARGIN_BOUNDS,
    OPERATIONS,
    OUTCOMES,
    ROLES,
    SECONDS_BOUNDS,
    VERBS,
)
from k8s_leader.observers.port import (
    ClockJumped,
    HolderSeen,
    Notice,
    RecordSeen,
    RequestDone,
    StateChanged,
    WorkloadExited,
    WorkloadStarted,
)
from k8s_leader.observers.status import Snapshot, Status
from k8s_leader.values import dataclass

__all__ = ["Distribution", "Histogram", "Labels", "Report", "Tally"]

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """
    A histogram at one moment.

    Attributes:
        bounds: upper bounds, the last one being infinity.
        counts: values up to each bound, cumulative.
        total: the sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class Histogram:
    """
    Counts values by bounds.

    Args:
        bounds: upper bounds, ascending, without infinity.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """
        Count a value; what is below zero counts as zero.
        """
        value = max(0.0, value)
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def read(self) -> Distribution:
        """
        Return what was counted until now.
        """
        return Distribution(
            bounds=(*self._bounds, float("inf")),
            counts=tuple(accumulate(list(self._counts))),
            total=self._total,
        )


Report = Mapping[str, Mapping[Labels, "float | Distribution"]]
"""By metric, then by the values of its own labels."""


class Tally:
    """
    The observer that counts.

    Args:
        status: of the same candidacy; told before this one.
        clock: tells how long things took.
        sent: requests to the API server by verb and code; whoever sends them counts.
    """

    def __init__(
        self, status: Status, *, clock: Clock, sent: Mapping[Labels, int] | None = None
    ) -> None:
        self.status = status
        self._clock = clock
        self._sent = {} if sent is None else sent
        self._margin = Histogram(MARGIN_BOUNDS)
        self._renewals: dict[Labels, Histogram] = {
            (outcome,): Histogram(SECONDS_BOUNDS) for outcome in OUTCOMES
        }
        self._vacancy = Histogram(SECONDS_BOUNDS)
        self._stopping = Histogram(SECONDS_BOUNDS)
        self._requests: dict[Labels, int] = {
            (operation, outcome): 0 for operation in OPERATIONS for outcome in OUTCOMES
        }
        self._beats: dict[Labels, int] = {(role,): 0 for role in ROLES}
        self._losses: dict[Labels, int] = {(reason,): 0 for reason in LOSS_REASONS}
        self._exits: dict[Labels, int] = {("0",): 0}
        self._ends: dict[Labels, int] = {(reason,): 0 for reason in END_REASONS}
        self._jumps = 0
        self._acquisitions = 0
        self._transitions = 0
        self._starts = 0
        self._holder: str | None = None  # the last one, not the vacancies between
        self._named = ""  # whom the record names now
        self._released_by: str | None = None
        self._vacant_since: float | None = None
        self._ends_since: float | None = None

    def on_notice(self, notice: Notice) -> None:
        """
        Count it.
        """
        match notice:
            case RequestDone():
                self._request(notice)
            case StateChanged():
                self._state(notice)
            case HolderSeen(holder=holder):
                self._see(holder)
            case RecordSeen(released_by=released_by):
                self._released_by = released_by
            case ClockJumped():
                self._jumps += 1
            case WorkloadStarted():
                self._starts += 1
            case WorkloadExited(code=code):
                self._exit("none" if code is None else str(code))
            case _:
                pass

    def _request(self, notice: RequestDone) -> None:
        outcome = "success" if notice.error is None else "error"
        self._requests[notice.operation, outcome] += 1
        if notice.operation == "renew":
            self._renewals[outcome,].observe(notice.seconds)
            if notice.left is not None:
                self._margin.observe(notice.left)
        if notice.error is None:
            role = "leader" if notice.operation == "renew" else "standby"
            self._beats[role,] += 1

    def _state(self, notice: StateChanged) -> None:
        if notice.before is State.ACQUIRING and notice.after is State.LEADING:
            self._acquisitions += 1
        if notice.after in (State.STOPPING, State.LOSING):
            self._ends_since = self._ends_since or self._clock.now()
        elif notice.after is State.LEADING:
            self._ends_since = None
        if notice.before.holds and not notice.after.holds:
            self._losses[_loss(notice),] += 1

    def _see(self, holder: str) -> None:
        self._see_end(self._named, holder)
        self._named = holder
        now = self._clock.now()
        if not holder:
            self._vacant_since = now
            return
        if self._vacant_since is not None:
            self._vacancy.observe(now - self._vacant_since)
            self._vacant_since = None
        if self._holder not in (None, holder):
            self._transitions += 1
        self._holder = holder

    def _see_end(self, before: str, after: str) -> None:
        """
        Count the end of another's term: it cannot tell of that itself any more.
        """
        if before in ("", self.status.candidacy.identity):
            return
        reason = "replaced"
        if not after:
            reason = "released" if self._released_by == before else "vanished"
        self._ends[reason,] += 1

    def _exit(self, code: str) -> None:
        self._exits[code,] = self._exits.get((code,), 0) + 1
        if self._ends_since is not None:
            self._stopping.observe(self._clock.now() - self._ends_since)
            self._ends_since = None

    def report(self) -> Report:
        """
        Return everything at this moment, from any thread.
        """
        now = self._clock.now()
        snapshot = self.status.now
        renewals = self._renewals.items()
        reads: dict[Labels, Distribution] = {
            labels: histogram.read() for labels, histogram in renewals
        }
        counted: dict[str, Mapping[Labels, float | Distribution]] = {
            "lease_margin_seconds": {(): self._margin.read()},
            "heartbeats_total": dict(self._beats),
            "renewals_total": {label: dist.counts[-1] for label, dist in reads.items()},
            "renew_duration_seconds": reads,
            "requests_total": dict(self._requests),
            "api_requests_total": {
                **{(verb, "200"): 0 for verb in VERBS},
                **dict(self._sent),
            },
            "acquisitions_total": {(): self._acquisitions},
            "losses_total": dict(self._losses),
            "observed_transitions_total": {(): self._transitions},
            "observed_ends_total": dict(self._ends),
            "takeover_duration_seconds": {(): self._vacancy.read()},
            "leading_seconds_total": {(): snapshot.led_for(now)},
            "workload_starts_total": {(): self._starts},
            "workload_exits_total": dict(self._exits),
            "workload_stop_duration_seconds": {(): self._stopping.read()},
            "clock_jumps_total": {(): self._jumps},
        }
        counted.update(self._gauges(snapshot, now))
        report = {f"k8s_leader_{name}": values for name, values in counted.items()}
        lease = (self.status.candidacy.lease,)
        leads = float(snapshot.is_leader(now))
        report["leader_election_master_status"] = {lease: leads}
        report["leader_election_slowpath_total"] = {lease: reads["error",].counts[-1]}
        return report

    def _gauges(
        self, snapshot: Snapshot, now: float
    ) -> dict[str, Mapping[Labels, float]]:
        timing = self.status.candidacy.timing
        offset = self._clock.wall() - now
        until = None if snapshot.grant is None else snapshot.grant.until

        def instant(at: float | None) -> Mapping[Labels, float]:
            return {(): 0.0 if at is None else at + offset}

        return {
            "is_leader": {(): float(snapshot.is_leader(now))},
            "state": {
                (state.value,): float(state is snapshot.state) for state in State
            },
            "holder_info": {(snapshot.holder,): 1.0},
            "paused": {(): float(snapshot.paused)},
            "fencing_token": {(): float(snapshot.token or 0)},
            "lease_fencing_token": {
                (): float(max(snapshot.published or 0, snapshot.token or 0))
            },
            "lease_transitions": {(): float(snapshot.transitions)},
            "last_renew_timestamp_seconds": instant(snapshot.renewed_at),
            "last_contact_timestamp_seconds": instant(snapshot.heard_at),
            "lease_expiry_timestamp_seconds": instant(until),
            "store_reachable": {(): float(snapshot.is_reachable)},
            "workload_up": {(): float(snapshot.started_at is not None)},
            "workload_start_timestamp_seconds": instant(snapshot.started_at),
            "lease_duration_seconds": {(): timing.lease_duration},
            "renew_deadline_seconds": {(): timing.renew_deadline},
            "renew_every_seconds": {(): timing.renew_every},
        }


def _loss(notice: StateChanged) -> str:
    """
    Return why a term ended, out of a list that does not grow.
    """
    if notice.after is State.LOSING:
        return notice.reason if notice.reason in LOSS_REASONS else "other"
    if notice.before is State.LEADING:
        return "workload-ended"
    preempted = notice.reason.endswith("is preferred") or "coordinator" in notice.reason
    return "preempted" if preempted else "released"
