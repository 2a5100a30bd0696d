"""
What a scrape of the operator shows.
"""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from k8s_leader.observers.metrics import render
from k8s_leader.operator.metrics import FAMILIES, LeaseMetrics
from k8s_leader.operator.view import ClusterView
from k8s_leader.testing.clock import FakeClock
from tests.unit.operator.objects import HOLDER, lease
from tests.unit.operator.test_columns import candidate

KEY = ("shop", "reports")


def scraped(metrics: LeaseMetrics) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    text = render(registry, openmetrics=False)[0].decode()
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    return {name: float(value) for name, value in pairs}


def of(name: str) -> str:
    return f'k8s_leader_cluster_{name}{{lease="reports",lease_namespace="shop"}}'


async def test_every_lease_has_each_value_and_one_that_is_gone_has_none() -> None:
    view, clock = ClusterView(), FakeClock()
    metrics = LeaseMetrics(view, clock=clock)
    assert scraped(metrics) == {}
    view.leases[KEY] = lease(node="node-1", paused="true")
    view.pods["shop", "a"] = candidate("a")
    await metrics.lease_changed(view.leases[KEY])
    clock.advance(7.0)
    await metrics.lease_changed(lease())  # a note changed, not the record
    found = scraped(metrics)
    assert len(found) == len(FAMILIES)
    assert found[of("held")] == 1
    assert found[of("paused")] == 1
    assert found[of("candidates")] == 1
    assert found[of("transitions")] == 3
    assert found[of("renew_age_seconds")] == 7.0
    assert found[of("lease_duration_seconds")] == 15
    assert found[of("acquire_timestamp_seconds")] == 1767323045.000006
    (info,) = [name for name in found if "holder_info" in name]
    for label in (f'holder="{HOLDER}"', 'pod="shop/web-0"', 'node="node-1"'):
        assert label in info
    await metrics.lease_deleted(view.leases.pop(KEY))
    assert scraped(metrics) == {}
    assert metrics._changes == {}


async def test_odd_and_long_values_are_shown_bounded() -> None:
    view = ClusterView()
    odd = {"holderIdentity": "x" * 5000, "acquireTime": "yesterday"}
    view.leases[KEY] = {**lease(), "spec": odd}
    found = scraped(LeaseMetrics(view, clock=FakeClock()))
    assert found[of("acquire_timestamp_seconds")] == 0
    assert max(map(len, found)) < 300


def test_the_documentation_names_every_metric() -> None:
    text = (Path(__file__).parents[3] / "docs" / "operator.md").read_text()
    for name in FAMILIES:
        assert f"`k8s_leader_cluster_{name}`" in text
