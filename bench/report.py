"""
Figures from samples, and tables from figures.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["markdown", "summary", "text"]

_ORDER = ("ours", "client-go", "asyncio")
_TITLES = {
    "ours": "k8s-leader",
    "client-go": "client-go",
    "asyncio": "kubernetes_asyncio",
}


def summary(samples: Sequence[float]) -> dict[str, Any]:
    """
    Return count, median, 99th percentile (nearest rank) and maximum, in seconds.
    """
    ordered = sorted(samples)
    if not ordered:
        return {"n": 0}
    return {
        "n": len(ordered),
        "p50": _rank(ordered, 0.5),
        "p99": _rank(ordered, 0.99),
        "max": ordered[-1],
        "samples": [round(sample, 6) for sample in samples],
    }


def text(result: dict[str, Any]) -> str:
    """
    Return the table for a terminal.
    """
    rows = _rows(result)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*(line.rstrip() for line in lines), "", _machine(result)])


def markdown(result: dict[str, Any]) -> str:
    """
    Return the table for the README, with the machine below.
    """
    rows = ["| " + " | ".join(row) + " |" for row in _rows(result)]
    columns = len(_rows(result)[0])
    rows.insert(1, "|" + " --- |" * columns)
    return "\n".join([*rows, "", _machine(result), ""])


def _rows(result: dict[str, Any]) -> list[list[str]]:
    kinds = [kind for kind in _ORDER if kind in result["kinds"]]
    rows = [["", *(_TITLES[kind] for kind in kinds)]]
    for title, cell in _LINES:
        rows.append([title, *(cell(result["kinds"][kind]) for kind in kinds)])
    return rows


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s"


def _spread(key: str) -> Callable[[dict[str, Any]], str]:
    def cell(figures: dict[str, Any]) -> str:
        value = figures.get(key) or {"n": 0}
        if not value["n"]:
            return "–"
        p50, p99, top = (_time(value[name]) for name in ("p50", "p99", "max"))
        return f"{p50} / {p99} / {top} ({value['n']})"

    return cell


def _requests(key: str) -> Callable[[dict[str, Any]], str]:
    def cell(figures: dict[str, Any]) -> str:
        counts = (figures.get("idle") or {}).get(key)
        if counts is None:
            return "–"
        parts = ", ".join(f"{verb} {n:.1f}" for verb, n in counts.items())
        return f"{sum(counts.values()):.1f} ({parts})" if counts else "0"

    return cell


def _memory(key: str) -> Callable[[dict[str, Any]], str]:
    def cell(figures: dict[str, Any]) -> str:
        value = (figures.get("idle") or {}).get(key)
        if value is None:
            return "–"
        rss, pss, processes = value
        return f"{rss / 1e6:.0f} MB ({pss / 1e6:.0f} MB; {processes})"

    return cell


_LINES: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    (
        "SIGTERM of the leader → next workload runs, p50 / p99 / max (rounds)",
        _spread("sigterm"),
    ),
    ("SIGTERM → lease released", _spread("until_released")),
    ("released → acquired by the next", _spread("released_to_acquired")),
    ("SIGKILL of the leader → next workload runs", _spread("sigkill")),
    ("start of the command → workload runs, free lease", _spread("start")),
    ("requests per minute, leader", _requests("leader_requests")),
    ("requests per minute, standby", _requests("standby_requests")),
    ("RSS of a leader (PSS; processes)", _memory("leader_memory")),
    ("RSS of a standby (PSS; processes)", _memory("standby_memory")),
)


def _machine(result: dict[str, Any]) -> str:
    machine, versions = result["machine"], result["versions"]
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Measured {result['date'][:10]} on {machine['cpu']} ({machine['cores']} cores,"
        f" {machine['memory_gb']} GB), {machine['system']}; {named}; one kube-apiserver"
        " with etcd on the same machine, lease duration 15 s everywhere."
    )
