"""
The chart's arithmetic of durations is the program's.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest
import yaml

from k8s_leader.election.timing import PROFILES, Timing
from k8s_leader.errors import SettingsError
from k8s_leader.settings.parsers import duration
from tests.helpers.helm import MINIMAL, Helm, HelmError, merged, only

pytestmark = pytest.mark.helm

SHOW_TIMING = """
apiVersion: v1
kind: ConfigMap
metadata: {name: timing}
data: {timing: '{{ include "k8s-leader.timing" . }}'}
"""

LENGTHS = [
    "7s",
    "8",
    "10.5s",
    "15s",
    "37s",
    "1m",
    "1m30s",
    "90500ms",
    "2h",
    "100000000us",
]
MIXED: list[dict[str, Any]] = [
    {"leaseDuration": "30s", "renewDeadline": "15s"},
    {"leaseDuration": "12s", "killTime": "500ms", "safetyMargin": 2},
    {"profile": "tolerant", "renewEvery": "2s", "requestTimeout": "1.5s"},
    {"profile": "fast", "acquireEvery": "1h", "retryPeriod": ".5s"},
    {"stopTimeout": "10m"},
]
BROKEN: list[dict[str, Any]] = [
    {"leaseDuration": "5s"},
    {"leaseDuration": "15s", "renewDeadline": "14s"},
    {"killTime": "5s"},
    {"safetyMargin": "3s"},
    {"renewEvery": "9s"},
    {"requestTimeout": "9s"},
    {"retryPeriod": "10s"},
    {"acquireEvery": "1s"},
    {"leaseDuration": "0s"},
    {"leaseDuration": "2 years"},
    {"killTime": "-1s"},
    {"renewEvery": "1e3"},
    {"leaseDuration": "8761h"},
]


def program_timing(values: dict[str, Any]) -> Timing:
    given = {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name): duration(
            str(value)
        )
        for name, value in values.items()
        if name != "profile"
    }
    length = given.pop("lease_duration", PROFILES[values.get("profile", "default")])
    return Timing.derive(length, **given)


def chart_timing(helm: Helm, values: dict[str, Any]) -> dict[str, float]:
    all_values = merged(MINIMAL, {"timing": values, "extraObjects": [SHOW_TIMING]})
    found: dict[str, float] = yaml.safe_load(
        only(helm.template(all_values), "ConfigMap")["data"]["timing"]
    )
    return found


@pytest.mark.parametrize(
    "values",
    [{"profile": name} for name in PROFILES]
    + [{"leaseDuration": length} for length in LENGTHS]
    + MIXED,
    ids=str,
)
def test_derived_durations_are_those_of_the_program(
    helm4: Helm, values: dict[str, Any]
) -> None:
    timing = program_timing(values)
    shown = chart_timing(helm4, values)
    for field, seconds in asdict(timing).items():
        head, *tail = field.split("_")
        name = head + "".join(part.title() for part in tail)
        assert shown[name] == pytest.approx(seconds, abs=1e-9), name
    assert shown["worstFailover"] == pytest.approx(timing.worst_failover())
    grace = math.ceil(timing.stop_timeout + timing.kill_time) + 5
    assert shown["gracePeriod"] == grace


@pytest.mark.parametrize("values", BROKEN, ids=str)
def test_what_the_program_refuses_is_refused_when_rendered(
    helm: Helm, values: dict[str, Any]
) -> None:
    with pytest.raises((SettingsError, ValueError)):
        program_timing(values)
    with pytest.raises(HelmError, match=rf"timing\.{list(values)[-1]}|leaseDuration"):
        helm.template(merged(MINIMAL, {"timing": values}))
