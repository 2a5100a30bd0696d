"""
Samples, what is said of them, and the file that keeps it.

A figure is a distribution, of one sample where only one makes sense. The file holds
the newest result of each part, with the day, the commit and the machine it is from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["FILE", "Samples", "load", "merge", "shown", "summary", "value"]

FILE = Path(__file__).with_name("results") / "figures.json"

Samples = Mapping[str, Mapping[str, Sequence[float]]]
"""Elector → row → samples, in the row's unit."""

_RANKS = {"p50": 0.5, "p99": 0.99, "p999": 0.999}

_MANY = 1000
"""With fewer samples the 99.9th percentile is their maximum."""


def summary(samples: Sequence[float]) -> dict[str, Any]:
    """
    Return count, median, 99th and 99.9th percentile (nearest rank) and maximum.
    """
    ordered = sorted(samples)
    if not ordered:
        return {"n": 0}
    ranks = {name: _round(_rank(ordered, share)) for name, share in _RANKS.items()}
    return {"n": len(ordered), **ranks, "max": _round(ordered[-1])}


def load(path: Path = FILE) -> dict[str, Any]:
    """
    Return the results by part; none when nothing was measured yet.
    """
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return results


def merge(name: str, result: Mapping[str, Any], *, path: Path = FILE) -> None:
    """
    Put the newest result of a part into the file, in place of an older one.
    """
    results = {**load(path), name: result}
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n")


def value(number: float, unit: str) -> str:
    """
    Spell a number with its unit, for people.
    """
    if unit == "s":
        return f"{number:.2f} s" if number >= 1 else f"{number * 1000:.3g} ms"
    if unit == "B":
        return f"{number / 1e6:.3g} MB"
    if unit == "%":
        return f"{number:.2g} %"
    return f"{number:.3g}{unit}"


def shown(figure: Mapping[str, Any], unit: str) -> str:
    """
    Spell a distribution: median / 99th percentile / maximum (count).

    From a thousand samples on the 99.9th percentile comes before the maximum.
    """
    if not figure.get("n"):
        return "–"
    if figure["n"] == 1:
        return value(figure["p50"], unit)
    names = ["p50", "p99", "max"]
    if figure["n"] >= _MANY:
        names.insert(2, "p999")
    spread = " / ".join(value(figure[name], unit) for name in names)
    return f"{spread} ({figure['n']})"


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _round(number: float) -> float:
    return float(f"{number:.5g}")
