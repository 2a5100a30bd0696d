"""
Metrics of every managed Lease, rendered from the view when they are scraped.

Labels are the Lease's name and namespace; what changes (the holder) is in one series
per Lease. A Lease that is gone is in the next scrape no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from k8s_leader.clock import Clock
from k8s_leader.election.orders import is_paused
from k8s_leader.election.record import Record, unix_seconds
from k8s_leader.leases.kubernetes import parse
from k8s_leader.observers.cluster.names import NODE, POD
from k8s_leader.observers.metrics import render
from k8s_leader.operator.duty import Duty
from k8s_leader.operator.view import Body, ClusterView, Key, annotations_of, key_of

__all__ = ["FAMILIES", "LeaseMetrics", "MetricsPage"]

_LABELS: Final = ("lease", "lease_namespace")
_PREFIX: Final = "k8s_leader_cluster_"
_LONGEST: Final = 128

FAMILIES: Final[Mapping[str, str]] = {
    "holder_info": "Who holds the Lease; holder is empty: nobody. One series.",
    "held": "1 while the Lease names a holder; else 0.",
    "paused": "1 while people ask all candidates to stay where they are; else 0.",
    "candidates": "Pods that compete for the Lease.",
    "transitions": "How often the Lease changed hands, as it says itself.",
    "acquire_timestamp_seconds": "Unix time at which the holder took it; 0: nobody.",
    "renew_age_seconds": "Seconds since the operator saw the record change last.",
    "lease_duration_seconds": "The Lease's length, as its holder wrote it; 0: none.",
}
"""Every metric without its prefix, and what it says."""

_HOLDER_LABELS: Final = ("holder", "pod", "node")


class LeaseMetrics(Duty, Collector):
    """
    Shows the view; scraped from any thread.

    Args:
        view: Leases and Pods.
        clock: for the age of what was seen.
    """

    def __init__(self, view: ClusterView, *, clock: Clock) -> None:
        self._view = view
        self._clock = clock
        self._changes: dict[Key, tuple[object, float]] = {}

    async def lease_changed(self, lease: Body) -> None:
        """
        Remember when its record changed last, by our own clock.
        """
        spec, key = parse(lease).record.spec, key_of(lease)
        if self._changes.get(key, (None,))[0] != spec:
            self._changes[key] = (spec, self._clock.now())

    async def lease_deleted(self, lease: Body) -> None:
        """
        Forget it.
        """
        self._changes.pop(key_of(lease), None)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """
        Yield every family as it is now.
        """
        families = {
            name: GaugeMetricFamily(
                _PREFIX + name,
                help_,
                labels=(*_LABELS, *(_HOLDER_LABELS if name == "holder_info" else ())),
            )
            for name, help_ in FAMILIES.items()
        }
        counts = self._view.candidates()
        for key, lease in sorted(self._view.leases.items()):
            record, labels = parse(lease).record, key[::-1]
            who = (*labels, *_holder(lease, record))
            families["holder_info"].add_metric(who, 1)
            values = self._values(key, record) | {"candidates": counts[key]}
            for name, value in values.items():
                families[name].add_metric(labels, value)
        return families.values()

    def _values(self, key: Key, record: Record) -> dict[str, float]:
        now, held = self._clock.now(), None if record.is_free else record.acquire_time
        return {
            "held": float(not record.is_free),
            "paused": float(is_paused(record)),
            "transitions": record.transitions,
            "acquire_timestamp_seconds": unix_seconds(held) or 0.0,
            "renew_age_seconds": now - self._changes.get(key, (None, now))[1],
            "lease_duration_seconds": record.duration or 0.0,
        }


class MetricsPage:
    """
    Answers ``/metrics`` and ``/livez``, for `k8s_leader.web.server`.

    Args:
        registry: whose metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.keep: Callable[[asyncio.BaseTransport | None], None] = lambda _: None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """
        Answer a request; the connection is closed after it.
        """
        if request.path == "/livez":
            answer = web.Response(text="ok\n")
        elif request.path == "/metrics":
            wanted = "application/openmetrics-text" in request.headers.get("Accept", "")
            body, kind = render(self._registry, openmetrics=wanted)
            answer = web.Response(body=body, headers={"Content-Type": kind})
        else:
            answer = web.Response(
                status=HTTPStatus.NOT_FOUND, text="there are: /metrics /livez\n"
            )
        answer.force_close()
        return answer


def _holder(lease: Body, record: Record) -> tuple[str, str, str]:
    notes = annotations_of(lease)
    if record.is_free or record.holder != record.our_holder:
        return record.holder[:_LONGEST], "", ""
    pod, node = str(notes.get(POD, "")), str(notes.get(NODE, ""))
    return record.holder[:_LONGEST], pod[: _LONGEST * 4], node[: _LONGEST * 2]
