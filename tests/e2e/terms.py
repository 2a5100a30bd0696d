"""
What the workloads wrote: who ran when, and whether two ever ran at once.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LEASE", "Measured", "Term", "boottime", "check", "gaps", "read_terms"]

Measured = Callable[[str, float], None]
"""Keeps a figure, in seconds, for the end of the run."""

LEASE = 8.0
"""The duration of the fast profile, with which the tests install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """
    One run of a workload, in seconds of the clock that all nodes share.

    `last` is the last line that it wrote, so that it ran at least until then; `token`
    is 0 for what has none, such as a standby's command.
    """

    pod: str
    token: int
    first: float
    last: float


def boottime() -> float:
    """
    Return the time on the workloads' clock.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_terms(folder: Path) -> list[Term]:
    """
    Return the runs in the order in which they began.
    """
    found = []
    for path in folder.glob("*.*.*"):
        pod, token, _ = path.name.rsplit(".", 2)
        # The last line may be half written.
        lines = path.read_text().rpartition("\n")[0].split()
        if lines:
            first, last = int(lines[0]) / 1e9, int(lines[-1]) / 1e9
            found.append(Term(pod=pod, token=int(token or 0), first=first, last=last))
    return sorted(found, key=lambda term: term.first)


def check(terms: list[Term]) -> list[Term]:
    """
    Assert that no two ran at once and that tokens grew; return the runs.
    """
    for before, after in itertools.pairwise(terms):
        assert before.last < after.first, f"two ran at once: {before} {after}"
        assert before.token < after.token, f"the token did not grow: {before} {after}"
    return terms


def gaps(terms: list[Term]) -> list[float]:
    """
    Return for how long nobody ran, between each run and the next one.
    """
    return [after.first - before.last for before, after in itertools.pairwise(terms)]
