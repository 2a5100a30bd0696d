"""
What a scrape is told: the tallies of one or several candidates, by families.

Needs no prometheus_client, which an elector would load for nothing: its pages are
written by `text`. Registries of others are served by `k8s_leader.observers.metrics`.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterable, Mapping
from functools import cache

from k8s_leader.observers.families import FAMILIES, Family
from k8s_leader.observers.tally import Distribution, Labels, Report, Tally
from k8s_leader.observers.text import Values, text
from k8s_leader.release import installed_version

__all__ = ["OPENMETRICS", "PLAIN", "Gathering", "answer", "build"]

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Gathering:
    """
    The tallies that are shown together; used from any thread.
    """

    def __init__(self) -> None:
        self._tallies: tuple[Tally, ...] = ()
        self._changing = threading.Lock()
        self._build: Mapping[Labels, float] = {build(): 1.0}

    def add(self, tally: Tally) -> None:
        """
        Show this one, too.
        """
        with self._changing:
            self._tallies += (tally,)

    def remove(self, tally: Tally) -> None:
        """
        Show this one no more: its candidate is over.
        """
        with self._changing:
            left = (other for other in self._tallies if other is not tally)
            self._tallies = tuple(left)

    def families(self) -> Iterable[tuple[Family, Values]]:
        """
        Yield every family with its values as they are now.
        """
        reports = [(tally, self._report(tally)) for tally in self._tallies]
        for family in FAMILIES:
            yield family, _merged(family, reports)

    def _report(self, tally: Tally) -> Report:
        return {**tally.report(), "k8s_leader_build_info": self._build}


def answer(gathering: Gathering, *, openmetrics: bool) -> tuple[bytes, str]:
    """
    Return what `metrics.render` would of a registry with these alone, and faster.

    Args:
        gathering: whose metrics.
        openmetrics: in OpenMetrics 1.0 instead of Prometheus' text format.
    """
    body = text(gathering.families(), openmetrics=openmetrics)
    return body, OPENMETRICS if openmetrics else PLAIN


@cache
def build() -> tuple[str, str]:
    """
    Return the version of k8s-leader and of Python.
    """
    return installed_version() or "unknown", platform.python_version()


def _merged(
    family: Family, reports: Iterable[tuple[Tally, Report]]
) -> dict[Labels, float | Distribution]:
    """
    Return the values by all labels; candidates of one lease: the greatest, or last.
    """
    merged: dict[Labels, float | Distribution] = {}
    for tally, report in reports:
        candidacy = tally.status.candidacy
        common = () if family.is_foreign else (candidacy.lease, candidacy.namespace)
        for own, value in report[family.name].items():
            labels, other = (*common, *own), merged.get((*common, *own))
            if isinstance(value, float | int) and isinstance(other, float | int):
                value = max(value, other)  # noqa: PLW2901  # the greater of the two
            merged[labels] = value
    return merged
