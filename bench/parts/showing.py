"""
What metrics and HTTP cost a candidate: memory and time to start.
"""

from __future__ import annotations

import time

from bench.candidates import KINDS
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row

__all__ = ["PART"]

_WAYS = {"on": ("--http=127.0.0.1:0",), "off": ("--http=off",)}
_FIRST = 60.0


def measure(lab: Lab) -> Samples:
    """
    Start candidates with and without, in turns, and weigh them.
    """
    found: dict[str, list[float]] = {}
    for _ in range(lab.rounds):
        for way, options in _WAYS.items():
            rss, start = _once(lab, options)
            found.setdefault(f"rss_{way}", []).append(rss)
            found.setdefault(f"start_{way}", []).append(start)
    return {"ours": found}


def _once(lab: Lab, options: tuple[str, ...]) -> tuple[float, float]:
    stage = lab.stage(KINDS["ours"], options=options)
    try:
        stage.seat("a")
        before = stage.enter("a")
        start = stage.wait_started(timeout=_FIRST).at - before
        time.sleep(2)
        return stage.candidates["a"].memory().rss, start
    finally:
        stage.close()


PART = Part(
    name="showing",
    about="The same leader with metrics and HTTP and without, in turns.",
    rows=(
        Row(key="rss_on", what="memory with metrics and HTTP (RSS)", unit="B"),
        Row(key="rss_off", what="memory without", unit="B"),
        Row(key="start_on", what="start → workload runs, with"),
        Row(key="start_off", what="start → workload runs, without"),
    ),
    measure=measure,
    rounds=(15, 2),
)
