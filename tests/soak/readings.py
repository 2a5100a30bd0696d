"""
What processes hold, read again and again; and whether it grows: a slope, not a look.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KEYS", "Reading", "growth", "read", "slope"]

_PROC = Path("/proc")
KEYS = ("guards_bytes", "electors_bytes", "descriptors", "threads", "processes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    Everything at one moment, after so many hand-overs.
    """

    at: float
    hand_overs: int
    held: Mapping[str, float]


def read(
    guards: Iterable[int], electors: Iterable[int], *, processes: int
) -> dict[str, float]:
    """
    Add up what the guards and the electors hold now.

    Args:
        guards: their process ids.
        electors: theirs.
        processes: how many there are altogether, workloads too.
    """
    guards, electors = list(guards), list(electors)
    both = [*guards, *electors]
    values = (
        sum(_status(pid, "VmRSS") * 1024 for pid in guards),
        sum(_status(pid, "VmRSS") * 1024 for pid in electors),
        sum(_descriptors(pid) for pid in both),
        sum(_status(pid, "Threads") for pid in both),
        processes,
    )
    return dict(zip(KEYS, map(float, values), strict=True))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """
    Return by how much y grows when x grows by one: the line of least squares.
    """
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    width = sum((x - middle_x) ** 2 for x, _ in points)
    if width == 0:
        return 0.0
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / width


def growth(readings: Sequence[Reading], *, warm_up: float) -> dict[str, float]:
    """
    Return what each thing grew by in the whole time after the warm-up, by its slope.

    Args:
        readings: oldest first.
        warm_up: share of the readings that is left out: caches fill at first.
    """
    kept = readings[int(warm_up * len(readings)) :]
    span = kept[-1].hand_overs - kept[0].hand_overs
    return {
        key: span * slope([(r.hand_overs, r.held[key]) for r in kept]) for key in KEYS
    }


def _status(pid: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0


def _descriptors(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len(list((_PROC / str(pid) / "fd").iterdir()))
    return 0
