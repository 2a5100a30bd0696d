"""
The parts of the bench, in the order in which they run and are shown.
"""

from __future__ import annotations

from bench.parts import (
    guard,
    idle,
    kind,
    kopf,
    leases,
    scale,
    scrape,
    showing,
    sigkill,
    sigterm,
    start,
    starved,
)

__all__ = ["PARTS"]

PARTS = {
    part.name: part
    for part in (
        start.PART,
        sigterm.PART,
        sigkill.PART,
        idle.PART,
        guard.PART,
        scrape.PART,
        showing.PART,
        starved.PART,
        scale.PART,
        leases.PART,
        kopf.PART,
        kind.PART,
    )
}
