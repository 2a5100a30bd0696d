"""
Metrics in prometheus_client's terms, on a registry that somebody chose.

One collector per registry renders the tallies of all candidates that use it. It has
no metric objects of its own, only what is counted elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import cache
from weakref import WeakKeyDictionary

from prometheus_client import exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector, CollectorRegistry

from k8s_leader.observers.families import FAMILIES, Family
from k8s_leader.observers.gathering import OPENMETRICS, PLAIN, Gathering
from k8s_leader.observers.tally import Distribution, Labels, Tally

__all__ = ["TallyCollector", "export", "render"]

_registering = threading.Lock()
"""Candidates begin in threads of their own, on one registry perhaps."""

_MAKE: dict[str, Callable[..., Metric]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
    "info": InfoMetricFamily,
}


class TallyCollector(Gathering, Collector):
    """
    Renders tallies when it is asked; from any thread.
    """

    def describe(self) -> Iterable[Metric]:
        """
        Yield every family without values, so that a registry knows our names.
        """
        for family in FAMILIES:
            yield _empty(family)

    def collect(self) -> Iterable[Metric]:
        """
        Yield every family as it is now.
        """
        for family, values in self.families():
            metric = _empty(family)
            for labels, value in values.items():
                _add(metric, family, labels, value)
            yield metric


def export(tally: Tally, registry: CollectorRegistry) -> TallyCollector:
    """
    Show a tally on a registry; candidates of one process may share it.

    Args:
        tally: to show.
        registry: where; one that others use as well is fine.

    Returns:
        The collector, to be told when the candidate is over.
    """
    with _registering:
        collectors = _collectors()
        collector = collectors.get(registry)
        if collector is None:
            collector = TallyCollector()
            registry.register(collector)
            collectors[registry] = collector
        collector.add(tally)
    return collector


def render(registry: CollectorRegistry, *, openmetrics: bool) -> tuple[bytes, str]:
    """
    Return what a scrape is answered, and its content type.

    Args:
        registry: whose metrics.
        openmetrics: in OpenMetrics 1.0 instead of Prometheus' text format.
    """
    if openmetrics:
        body: bytes = openmetrics_exposition.generate_latest(registry)  # type: ignore[no-untyped-call]
        return body, OPENMETRICS
    return exposition.generate_latest(registry), PLAIN


@cache
def _collectors() -> WeakKeyDictionary[CollectorRegistry, TallyCollector]:
    """
    Return the collector of each registry: a second one would have the same names.
    """
    return WeakKeyDictionary()


def _empty(family: Family) -> Metric:
    name = family.name
    if family.kind == "info":  # prometheus_client adds the suffix itself
        name = name.removesuffix("_info")
    return _MAKE[family.kind](name, family.help, labels=family.label_names)


def _add(
    metric: Metric, family: Family, labels: Labels, value: float | Distribution
) -> None:
    if isinstance(value, Distribution):
        assert isinstance(metric, HistogramMetricFamily)  # noqa: S101  # the table's
        metric.add_metric(labels, _buckets(value), sum_value=value.total)
    elif isinstance(metric, InfoMetricFamily):
        metric.add_metric([], dict(zip(family.label_names, labels, strict=True)))
    elif isinstance(metric, GaugeMetricFamily | CounterMetricFamily):
        metric.add_metric(labels, value)


def _buckets(found: Distribution) -> list[tuple[str, float]]:
    edges = ["+Inf" if edge == float("inf") else str(edge) for edge in found.bounds]
    return list(zip(edges, found.counts, strict=True))
