"""
What ``doctor`` thinks of the facts; pure.

``fail`` is what keeps the election from working, or its promise from holding; ``warn``
is what works less well than it could, or will not work for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8s_leader.app.examination import Facts
from k8s_leader.app.lookout import View
from k8s_leader.cli.arithmetic import meaning
from k8s_leader.cli.standings import owner, renewed_ago
from k8s_leader.cli.table import age, seconds
from k8s_leader.election.orders import is_paused, nonsense
from k8s_leader.election.timing import Timing
from k8s_leader.kube import Right
from k8s_leader.leases.kubernetes import creation_command
from k8s_leader.observers.cluster.names import ROLE, Role
from k8s_leader.settings.parsers import format_duration
from k8s_leader.values import dataclass

__all__ = ["Finding", "findings"]

_CLOCK_LEEWAY = 2.0
_TOKEN_SHARE = 0.9
_SLOW_SHARE = 1 / 3
_DEFAULT_GRACE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing that was checked.

    Attributes:
        check: its name.
        verdict: ``ok``, ``warn`` or ``fail``.
        says: what was found.
        fix: what to do about it; empty when nothing needs to be.
    """

    check: str
    verdict: str
    says: str
    fix: str = ""


def findings(
    facts: Facts,
    *,
    lease: str,
    timing: Timing,
    may_create: bool,
    in_cluster: bool,
    wall: float,
) -> list[Finding]:
    """
    Return all findings, in the order in which one would look.

    Args:
        facts: what was gathered.
        lease: the name of the Lease.
        timing: of the settings.
        may_create: whether candidates make a missing Lease.
        in_cluster: whether this runs inside a Pod.
        wall: Unix seconds now.
    """
    found = [_timing(timing)]
    if facts.problem:
        fix = "" if "Fix:" in facts.problem else "reach the API server, then ask again"
        return [*found, _fail("api server", facts.problem, fix)]
    found += [
        _ok("api server", f"{facts.host}, by {facts.source}"),
        _latency(facts, timing),
        _clock(facts.offset),
        _token(facts, wall),
        *_rights(facts),
        *_lease(facts, lease, timing, may_create=may_create, wall=wall),
    ]
    if facts.lease is not None:
        found += _labels(facts.lease)
    return [*found, *_pod(facts, timing, in_cluster=in_cluster)]


def _ok(check: str, says: str) -> Finding:
    return Finding(check=check, verdict="ok", says=says)


def _warn(check: str, says: str, fix: str) -> Finding:
    return Finding(check=check, verdict="warn", says=says, fix=fix)


def _fail(check: str, says: str, fix: str) -> Finding:
    return Finding(check=check, verdict="fail", says=says, fix=fix)


def _timing(timing: Timing) -> Finding:
    means = meaning(timing)
    if means.keeps_the_promise:
        return _ok("timing", f"lease duration {format_duration(timing.lease_duration)}")
    return _warn(
        "timing",
        f"the guard may pause for {seconds(means.pause)} only before two workloads "
        f"could overlap; {seconds(means.pause_wanted)} are promised",
        "leave --safety-margin out; `k8s-leader explain` draws it",
    )


def _latency(facts: Facts, timing: Timing) -> Finding:
    slowest, bound = max(facts.delays[1:]), timing.request_timeout
    says = (
        f"{slowest * 1000:.0f}ms at most, {facts.delays[0] * 1000:.0f}ms with "
        f"connecting; a request may take {seconds(bound)}"
    )
    fix = "lengthen --lease-duration (--profile tolerant), or find what is slow"
    worst = max(facts.delays)
    if worst >= bound:
        return _fail("latency", says, fix)
    if worst >= bound * _SLOW_SHARE:
        return _warn("latency", says, fix)
    return _ok("latency", says)


def _clock(offset: float | None) -> Finding:
    if offset is None:
        return _warn("clock", "the API server tells no date", "ask it without a proxy")
    if abs(offset) <= _CLOCK_LEEWAY:
        return _ok("clock", "agrees with the API server's to two seconds")
    way = "ahead of" if offset > 0 else "behind"
    return _warn(
        "clock",
        f"{seconds(abs(offset))} {way} the API server's; the election does not care, "
        "tokens, certificates and the ages in status do",
        "let NTP set the clock of the node",
    )


def _token(facts: Facts, wall: float) -> Finding:
    life = facts.token
    if life is None:
        return _ok("token", "no token with an end is in use")
    left = life.expires - wall
    if left <= 0:
        return _fail("token", f"expired {age(-left)} ago", "get a new token")
    said = f"{age(wall - life.issued)} old, expires in {age(left)}"
    if wall - life.issued > _TOKEN_SHARE * (life.expires - life.issued):
        return _warn(
            "token",
            said,
            "see why nobody renews it; a kubelet does at 80 % of its life",
        )
    return _ok("token", said)


def _rights(facts: Facts) -> Iterator[Finding]:
    if facts.unreviewed:
        yield _warn(
            "rights", facts.unreviewed, "ask `kubectl auth can-i` with other rights"
        )
    for right, allowed in facts.allowed.items():
        yield _ok("right", str(right)) if allowed else _missing(right, facts)


def _missing(right: Right, facts: Facts) -> Finding:
    rule = f"add this rule to the Role (`k8s-leader rbac` prints all)\n{right.rule()}"
    optional = right.resource != "leases" or (
        right.verb == "create" and facts.lease is not None
    )
    says = f"{right}: not given"
    return (_warn if optional else _fail)("right", says, rule)


def _lease(
    facts: Facts, lease: str, timing: Timing, *, may_create: bool, wall: float
) -> Iterator[Finding]:
    if facts.lease_problem:
        yield _fail("lease", facts.lease_problem, "see the rights above")
    elif facts.lease is None and may_create:
        yield _ok("lease", f"there is no {facts.namespace}/{lease} yet; one is made")
    elif facts.lease is None:
        make = creation_command(facts.namespace, lease)
        yield _fail("lease", f"there is no {facts.namespace}/{lease}", make)
    else:
        yield _holder(facts.lease, wall)
        yield from _oddities(facts.lease, timing)


def _holder(view: View, wall: float) -> Finding:
    record = view.record
    since = renewed_ago(record, wall=wall)
    if owner(record) == "foreign":
        return _warn(
            "lease",
            f"held by {record.holder}, a candidate of another elector",
            "give each a Lease of its own, unless you move from one to the other",
        )
    if record.is_free:
        return _ok("lease", f"{view.full_name} is free")
    if since is not None and record.duration is not None and since > record.duration:
        return _warn(
            "lease",
            f"{record.holder} renewed {age(since)} ago and nobody took it",
            "start a candidate; see the log of those that run",
        )
    return _ok("lease", f"held by {record.holder}")


def _oddities(view: View, timing: Timing) -> Iterator[Finding]:
    record, ours = view.record, owner(view.record) == "ours"
    if record.strategy or record.preferred_holder:
        yield _fail(
            "lease",
            f"a coordinator elects (strategy {record.strategy or 'unknown'})",
            "name another Lease: candidates here elect by themselves",
        )
    if ours and record.our_duration not in (None, timing.lease_duration):
        theirs = format_duration(record.our_duration or 0.0)
        yield _warn(
            "lease",
            f"the leader works with --lease-duration {theirs}, these settings say "
            f"{format_duration(timing.lease_duration)}",
            "give all candidates the same timings",
        )
    if is_paused(record):
        yield _warn(
            "orders", "paused: nobody takes it over", "k8s-leader resume, when done"
        )
    for odd in nonsense(record):
        yield _warn("orders", str(odd), f"kubectl annotate the Lease with {odd.name}-")


def _labels(view: View) -> Iterator[Finding]:
    """
    Yield the labels that contradict the record; a change of hands takes a moment.
    """
    if view.candidates is None:
        return
    stale = [
        one
        for one in view.candidates
        if (one.role == Role.LEADER) != (one.identity == view.record.holder)
    ]
    for one in stale:
        yield _warn(
            "labels",
            f"Pod {one.pod} is labelled {one.role}, which is not what the Lease says",
            "look again in a second; if it stays, delete the Pod or "
            f"`kubectl label pod {one.pod} {ROLE}-`",
        )
    if not stale:
        yield _ok("labels", f"those of {len(view.candidates)} candidates fit the Lease")


def _pod(facts: Facts, timing: Timing, *, in_cluster: bool) -> Iterator[Finding]:
    if facts.pod_problem:
        yield _warn("pod", facts.pod_problem, "correct POD_NAME, POD_UID and the Role")
    elif facts.pod is not None:
        yield _grace(facts.pod, timing)
    elif in_cluster:
        yield _warn(
            "pod",
            "POD_NAME, POD_NAMESPACE and POD_UID are not all set: no role label, no "
            "deletion cost, and status does not list this candidate",
            "set them by the downward API (docs/kubernetes.md)",
        )


def _grace(pod: Mapping[str, Any], timing: Timing) -> Finding:
    name = pod.get("metadata", {}).get("name")
    spec = pod.get("spec", {})
    grace = float(spec.get("terminationGracePeriodSeconds") or _DEFAULT_GRACE)
    wanted = timing.stop_timeout + timing.kill_time
    if wanted <= grace:
        return _ok("pod", f"{name}; its grace period covers --stop-timeout")
    return _warn(
        "pod",
        f"{name} is killed after {seconds(grace)}; an orderly stop may take "
        f"{seconds(wanted)}",
        f"terminationGracePeriodSeconds: {int(wanted) + 1}, or a lower --stop-timeout",
    )
