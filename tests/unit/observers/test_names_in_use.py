"""
Alerts and dashboard ask for metrics that exist.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from k8s_leader.observers.families import FAMILIES

FILES = Path(__file__).resolve().parents[3] / "helm" / "k8s-leader" / "files"
OURS = re.compile(r"\b(?:k8s_leader|leader_election)_[a-z_]+\b")
OTHERS = {"kube_lease_renew_time", "kube_lease_owner"}
"""Of kube-state-metrics; a Lease that nobody renews is only seen from outside."""


def _scraped() -> set[str]:
    names: set[str] = set()
    for family in FAMILIES:
        if family.kind == "histogram":
            names |= {family.name + end for end in ("_bucket", "_sum", "_count")}
        else:
            names.add(family.name)
    return names


@pytest.mark.parametrize("file", ["rules.yaml", "dashboard.json"])
def test_every_metric_that_is_asked_for_exists(file: str) -> None:
    asked = set(OURS.findall((FILES / file).read_text()))
    assert asked
    assert asked <= _scraped()


@pytest.mark.parametrize("file", ["rules.yaml", "dashboard.json"])
def test_of_others_only_kube_state_metrics_leases_are_asked_for(file: str) -> None:
    found = set(re.findall(r"\bkube_[a-z_]+\b", (FILES / file).read_text()))
    assert found <= OTHERS
