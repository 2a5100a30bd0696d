"""
Gathers what ``doctor`` judges: asks, measures, changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8s_leader.app.lookout import View, view_of
from k8s_leader.app.rights import Rule
from k8s_leader.clock import Clock
from k8s_leader.errors import LeaderError, LeaseForbiddenError
from k8s_leader.kube import KubeClient, KubeSettings, Right
from k8s_leader.kube.pods import PodApi, PodRef
from k8s_leader.kube.review import TokenLife, is_allowed, read_date, read_token
from k8s_leader.observers.cluster.candidates import candidates

__all__ = ["Facts", "examine"]

_PROBES = 5
_TIMEOUT = 10.0


@dataclass(slots=True, kw_only=True)
class Facts:
    """
    What was found; what could not be asked stays at its default.

    Attributes:
        problem: why there is no connection at all; empty: there is one.
        source: where address and credentials came from.
        host: URL of the API server.
        namespace: of the lease.
        delays: seconds of each probe; the first one connects.
        offset: seconds that this machine's clock is ahead of the API server's.
        token: when the token in use was issued and expires.
        allowed: each right, and whether it is given.
        unreviewed: why rights could not be asked for.
        lease: the lease; ``None``: there is none, or it may not be read.
        lease_problem: why it could not be read.
        pod: the own Pod as the API server has it.
        pod_problem: why it could not be read.
    """

    problem: str = ""
    source: str = ""
    host: str = ""
    namespace: str = ""
    delays: Sequence[float] = ()
    offset: float | None = None
    token: TokenLife | None = None
    allowed: Mapping[Right, bool] = field(default_factory=dict)
    unreviewed: str = ""
    lease: View | None = None
    lease_problem: str = ""
    pod: Mapping[str, Any] | None = None
    pod_problem: str = ""


async def examine(
    settings: KubeSettings,
    lease: str,
    wanted: Sequence[Rule],
    *,
    pod: PodRef | None,
    clock: Clock,
) -> Facts:
    """
    Gather the facts about one lease and the way to it.

    Args:
        settings: how the API server is reached.
        lease: the name of the Lease.
        wanted: the rules whose rights are reviewed.
        pod: the own Pod; ``None``: not in one, or not known.
        clock: of this machine.
    """
    facts = Facts()
    try:
        async with KubeClient.connect(
            settings, environ=os.environ, clock=clock
        ) as client:
            facts.source, facts.host = client.source, client.host
            facts.namespace = client.namespace
            await _measure(client, facts, clock)
            facts.token = read_token(await client.authorization())
            await _review(client, facts, wanted, pod)
            await _look(client, facts, lease)
            if pod is not None:
                await _see_pod(client, facts, pod)
    except LeaderError as exc:
        facts.problem = str(exc)
    return facts


async def _measure(client: KubeClient, facts: Facts, clock: Clock) -> None:
    delays = []
    for _ in range(_PROBES):
        before = clock.now()
        answer = await client.probe(timeout=_TIMEOUT)
        delays.append(clock.now() - before)
    date = read_date(answer.headers)
    # The Date was written somewhere within the last exchange.
    facts.offset = None if date is None else clock.wall() - delays[-1] / 2 - date
    facts.delays = delays


async def _review(
    client: KubeClient, facts: Facts, wanted: Sequence[Rule], pod: PodRef | None
) -> None:
    elsewhere = pod.namespace if pod else facts.namespace
    found = {}
    try:
        for rule in wanted:
            where = elsewhere if rule.about == "pods" else facts.namespace
            for right in rule.rights(where):
                found[right] = await is_allowed(client, right, timeout=_TIMEOUT)
    except LeaseForbiddenError as exc:
        facts.unreviewed = str(exc)
    facts.allowed = found


async def _look(client: KubeClient, facts: Facts, lease: str) -> None:
    try:
        body = await client.leases.get(facts.namespace, lease, timeout=_TIMEOUT)
    except LeaseForbiddenError as exc:
        facts.lease_problem = str(exc).partition("\n")[0]
        return
    if body is None:
        return
    try:
        known = await candidates(
            PodApi(client), namespace=facts.namespace, lease=lease, timeout=_TIMEOUT
        )
    except LeaseForbiddenError:
        known = None
    facts.lease = view_of(body, candidates=known)


async def _see_pod(client: KubeClient, facts: Facts, pod: PodRef) -> None:
    """
    Read the own Pod by a patch of nothing: a candidate may patch Pods, not get them.
    """
    try:
        facts.pod = await PodApi(client).mark(
            pod, labels={}, annotations={}, timeout=_TIMEOUT
        )
    except LeaderError as exc:
        facts.pod_problem = str(exc).partition("\n")[0]
