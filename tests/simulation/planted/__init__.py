"""
Planted faults: the product or its guard with one rule broken at a time.

Each is a mistake that somebody could make, most of them made by another elector of
this field. The simulation has to find every one; which check finds it is said, so
that a planted fault is not found for a wrong reason.
"""

from __future__ import annotations

from tests.simulation.planted import (
    clocks,
    ends,
    progress,
    records,
    requests,
    terms,
)
from tests.simulation.planted.table import PLANTED, Planted

__all__ = [
    "PLANTED",
    "Planted",
    "clocks",
    "ends",
    "progress",
    "records",
    "requests",
    "terms",
]
