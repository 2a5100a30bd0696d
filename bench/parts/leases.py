"""
Two candidates on each of very many Leases, which renew and are left alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.audit import requests_between
from bench.crowds import CROWDS, CrowdKind, crowd
from bench.figures import Samples
from bench.lab import Lab
from bench.load import Load
from bench.part import Part, Row

__all__ = ["PART"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """
    So many Leases of one length.

    Attributes:
        key: what its rows begin with.
        leases: how many; and with ``--quick``.
        length: their duration in seconds.
    """

    key: str
    leases: tuple[int, int]
    length: float

    @property
    def name(self) -> str:
        return f"{self.leases[0]:,} Leases of {self.length:g} s"


_FIELDS = (
    _Field(key="few", leases=(200, 20), length=15.0),
    # A thousand of 15 s, renewed 333 times a second, are more than two cores can serve.
    _Field(key="many", leases=(1000, 40), length=60.0),
)
_SECONDS = (60.0, 10.0)
_SETTLE = 10.0


def measure(lab: Lab) -> Samples:
    """
    Measure ours, and client-go's, one after the other.
    """
    return {
        kind.name: {
            key: samples
            for field in _FIELDS
            for key, samples in _left_alone(lab, kind, field).items()
        }
        for kind in CROWDS.values()
    }


def _left_alone(lab: Lab, kind: CrowdKind, field: _Field) -> dict[str, list[float]]:
    count = field.leases[lab.quick]
    lab.say(f"  {kind.name}: {count} Leases of {field.length:g} s")
    with crowd(
        lab, kind, processes=2, each=count, leases=count, length=field.length
    ) as all_:
        for _ in range(2):
            all_.wait("ready")
        for _ in range(count):
            all_.wait("leads")
        time.sleep(_SETTLE)
        begin, load = time.time(), Load(all_)
        time.sleep(_SECONDS[lab.quick])
        end, found = time.time(), load.so_far(field.key)
        events = all_.api.audit_events()
    counts = requests_between(events, user=all_.user, begin=begin, end=end)
    return {f"{field.key}_requests": [sum(counts.values()) / count], **found}


def _rows(field: _Field) -> tuple[Row, ...]:
    name, key = field.name, field.key
    return (
        Row(key=f"{key}_requests", what=f"{name}: requests of one", unit="/min"),
        Row(key=f"{key}_rss", what=f"{name}: memory of both processes", unit="B"),
        Row(key=f"{key}_cpu", what=f"{name}: processor of both", unit="%"),
        Row(
            key=f"{key}_api_cpu",
            what=f"{name}: processor of API server and etcd",
            unit="%",
        ),
    )


PART = Part(
    name="leases",
    about="Two candidates on each of many Leases, in two processes, left alone for "
    f"{_SECONDS[0]:g} s: {' and '.join(field.name for field in _FIELDS)}, with each "
    "elector's own share of that for renewals (k8s-leader a fifth, client-go two "
    "fifteenths). All of it, API server and etcd too, runs on the machine named; "
    "processor time is in per cent of one core.",
    rows=tuple(row for field in _FIELDS for row in _rows(field)),
    measure=measure,
    rounds=(1, 1),
)
