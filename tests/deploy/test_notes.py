"""
What a person is told after an installation.
"""

from __future__ import annotations

from typing import Any

import pytest

from k8s_leader.election.timing import PROFILES, Timing
from tests.helpers.helm import CHART, MINIMAL, Helm, merged

pytestmark = pytest.mark.helm


def notes(helm: Helm, **values: Any) -> str:
    """
    Return the notes; Helm 3 renders none without a cluster (see test_releases).
    """
    text = helm.run(
        *("install", "demo", str(CHART), "--dry-run=client", "--namespace", "prod"),
        values=merged(MINIMAL, values),
    )
    return text.partition("NOTES:")[2]


@pytest.mark.parametrize("profile", PROFILES)
def test_notes_name_the_longest_fail_over_of_these_values(
    helm4: Helm, profile: str
) -> None:
    worst = Timing.derive(PROFILES[profile]).worst_failover()
    told = notes(helm4, timing={"profile": profile})
    assert f"may take over after at most {round(worst, 3):g}s" in told


def test_notes_tell_how_to_see_who_leads(helm4: Helm) -> None:
    told = notes(helm4)
    assert "kubectl -n prod get lease demo-k8s-leader -o jsonpath=" in told
    assert "WARNING" not in told


CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": 0}, "replicas is 0: nothing runs and nobody campaigns"),
        ({"replicas": 1}, "replicas is 1: there is no standby"),
        ({"volumes": [CLAIM]}, "volume data is a PersistentVolumeClaim"),
        ({"extraContainers": [{"name": "x"}]}, "extraContainers are not gated"),
        ({"lease": {"changeFrom": "prod/old"}}, "`helm rollback` checks nothing"),
        (
            {
                "gate": {
                    "method": "imageVolume",
                    "image": {"repository": "registry.example/tree"},
                }
            },
            "gate.method=imageVolume is experimental",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_notes_warn_of_what_may_surprise(
    helm4: Helm, values: dict[str, Any], said: str
) -> None:
    assert said in notes(helm4, **values)
