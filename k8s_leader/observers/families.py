"""
The one table of metrics: names, kinds, labels and what each means.

The collector renders it, docs/metrics.md is written from it, and a test compares both
with a real scrape. Every label has few values that are known beforehand; the only
identity among them, in ``k8s_leader_holder_info``, replaces the one before.
"""

from __future__ import annotations

from typing import Literal

from k8s_leader.election.events import State
from k8s_leader.election.observation import LossReason
from k8s_leader.values import dataclass

__all__ = [
    "END_REASONS",
    "FAMILIES",
    "LEASE_LABELS",
    "LOSS_REASONS",
    "MARGIN_BOUNDS",
    "OPERATIONS",
    "OUTCOMES",
    "ROLES",
    "SECONDS_BOUNDS",
    "VERBS",
    "Family",
]

LEASE_LABELS = ("lease", "lease_namespace")
"""What every series of ours carries besides its own labels."""

OPERATIONS = ("acquire", "renew", "release")
OUTCOMES = ("success", "error")
ROLES = ("leader", "standby")
LOSS_REASONS = (
    *("released", "workload-ended", "preempted"),
    *(reason.value for reason in LossReason),
    *("stuck", "other"),
)
END_REASONS = ("released", "vanished", "replaced")
"""How another candidate's term ended, as far as the record tells."""
VERBS = ("get", "list", "watch", "create", "update", "patch")
MARGIN_BOUNDS = (
    *(0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0),
    *(10.0, 12.0, 15.0, 20.0, 30.0, 45.0, 60.0),
)
SECONDS_BOUNDS = (
    *(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25),
    *(0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)

Kind = Literal["gauge", "counter", "histogram", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """
    One metric.

    Attributes:
        name: as it is scraped; of a histogram without its suffixes.
        kind: its type.
        help: what it says, with its unit.
        labels: besides :data:`LEASE_LABELS`.
        values: what the labels can be, for people; empty without labels.
        is_foreign: the name is another project's, and so are its labels.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    values: str = ""
    is_foreign: bool = False

    @property
    def label_names(self) -> tuple[str, ...]:
        """
        Return the names of all its labels.
        """
        return self.labels if self.is_foreign else (*LEASE_LABELS, *self.labels)


def _ours(
    name: str, kind: Kind, help_: str, labels: tuple[str, ...] = (), values: str = ""
) -> Family:
    return Family(
        name=f"k8s_leader_{name}", kind=kind, help=help_, labels=labels, values=values
    )


_OUTCOME = ("outcome",)

FAMILIES: tuple[Family, ...] = (
    _ours(
        "is_leader",
        "gauge",
        "1 while this candidate leads and its grant has not ended, worked out at the "
        "scrape; else 0.",
    ),
    _ours(
        "state",
        "gauge",
        "1 for the state that the candidate is in, 0 for the others.",
        ("state",),
        ", ".join(state.value for state in State),
    ),
    _ours(
        "holder_info",
        "info",
        "Who holds the lease, as far as this candidate knows; empty: nobody.",
        ("holder",),
        "the identity of the holder; one series",
    ),
    _ours(
        "paused",
        "gauge",
        "1 while people ask all candidates to stay where they are; else 0.",
    ),
    _ours(
        "fencing_token",
        "gauge",
        "Fencing token of the running or last term; 0 before the first.",
    ),
    _ours(
        "lease_fencing_token",
        "gauge",
        "The last fencing token that this candidate knows of, whosever it is: a leader "
        "publishes its own with its first renewal; 0: none.",
    ),
    _ours(
        "lease_transitions",
        "gauge",
        "How often the lease changed hands, as its record says; 0 before it was seen, "
        "and where the store keeps no record.",
    ),
    _ours(
        "last_renew_timestamp_seconds",
        "gauge",
        "Unix time of the last confirmed renewal; 0 before the first.",
    ),
    _ours(
        "last_contact_timestamp_seconds",
        "gauge",
        "Unix time of the store's last answer, on standby too; 0 before the first.",
    ),
    _ours(
        "lease_expiry_timestamp_seconds",
        "gauge",
        "Unix time at which the running grant ends unless it is renewed; 0 without.",
    ),
    _ours(
        "lease_margin_seconds",
        "histogram",
        "Seconds that were left of the grant at each confirmed renewal: the health of "
        "the heartbeat.",
    ),
    _ours(
        "heartbeats_total",
        "counter",
        "Signs of life: confirmed renewals of a leader, answers of the store to a "
        "standby.",
        ("role",),
        ", ".join(ROLES),
    ),
    _ours(
        "renewals_total",
        "counter",
        "Renewals asked for.",
        _OUTCOME,
        ", ".join(OUTCOMES),
    ),
    _ours(
        "renew_duration_seconds",
        "histogram",
        "Seconds from the request of a renewal to its answer.",
        _OUTCOME,
        ", ".join(OUTCOMES),
    ),
    _ours(
        "requests_total",
        "counter",
        "Calls of the lease manager.",
        ("operation", *_OUTCOME),
        f"{', '.join(OPERATIONS)}; {', '.join(OUTCOMES)}",
    ),
    _ours(
        "api_requests_total",
        "counter",
        "Requests to the API server over all connections of the elector, or of the "
        "process where candidates share a connection.",
        ("verb", "code"),
        f"{', '.join(VERBS)}; the HTTP status, or none without an answer",
    ),
    _ours(
        "store_reachable", "gauge", "1 when the store answered the last call; else 0."
    ),
    _ours("acquisitions_total", "counter", "Terms that this candidate began."),
    _ours(
        "losses_total",
        "counter",
        "Terms that ended.",
        ("reason",),
        ", ".join(LOSS_REASONS),
    ),
    _ours(
        "observed_transitions_total",
        "counter",
        "How often this candidate saw another holder than the last one.",
    ),
    _ours(
        "observed_ends_total",
        "counter",
        "Terms of others that this candidate saw end: released in order, vanished from "
        "the record, or replaced by another holder (expired, mostly). Take the maximum "
        "over the candidates: all see the same.",
        ("reason",),
        ", ".join(END_REASONS),
    ),
    _ours(
        "takeover_duration_seconds",
        "histogram",
        "Seconds for which this candidate saw the lease without a holder.",
    ),
    _ours(
        "leading_seconds_total",
        "counter",
        "Seconds led, the running term included.",
    ),
    _ours("workload_up", "gauge", "1 while the workload runs; else 0."),
    _ours("workload_starts_total", "counter", "Starts of the workload."),
    _ours(
        "workload_exits_total",
        "counter",
        "Ends of the workload by exit code.",
        ("code",),
        "0 to 255 (128 + n on signal n), none in-process",
    ),
    _ours(
        "workload_start_timestamp_seconds",
        "gauge",
        "Unix time of the running workload's start; 0 when none runs.",
    ),
    _ours(
        "workload_stop_duration_seconds",
        "histogram",
        "Seconds from the end of leading until nothing of the workload was left.",
    ),
    _ours(
        "clock_jumps_total",
        "counter",
        "Jumps of the wall clock under a running workload: the machine slept, or was "
        "moved.",
    ),
    _ours("lease_duration_seconds", "gauge", "The lease's length, as set."),
    _ours(
        "renew_deadline_seconds", "gauge", "When renewing is given up, after the last."
    ),
    _ours("renew_every_seconds", "gauge", "How often a leader renews, as set."),
    _ours(
        "build_info",
        "info",
        "The version of k8s-leader and of Python.",
        ("version", "python"),
        "one series",
    ),
    Family(
        name="leader_election_master_status",
        kind="gauge",
        help="The same as k8s_leader_is_leader, under client-go's name.",
        labels=("name",),
        values="the lease's name",
        is_foreign=True,
    ),
    Family(
        name="leader_election_slowpath_total",
        kind="counter",
        help="Renewals that failed and had to be asked for again, under client-go's "
        "name.",
        labels=("name",),
        values="the lease's name",
        is_foreign=True,
    ),
)
"""Every metric, in the order in which it is shown."""
