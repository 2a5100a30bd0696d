"""
What a part of the bench is: rows, and a function that gives samples for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bench.figures import Samples
    from bench.lab import Lab

__all__ = ["Part", "Row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One thing that is measured, for each elector that it makes sense for.

    Attributes:
        key: in the file.
        what: for people.
        unit: of the samples.
        goal: what the median of ours shall not exceed; ``None``: it is only stated.
        limit: what the maximum of ours shall not exceed.
    """

    key: str
    what: str
    unit: Literal["s", "B", "%", "/min", "/s", ""] = "s"
    goal: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """
    One file of ``bench/parts``.

    Attributes:
        name: on the command line.
        about: how it is measured, in a sentence or two, for the docs.
        rows: what comes out.
        measure: does the work.
        rounds: how many by default, and with ``--quick``.
    """

    name: str
    about: str
    rows: tuple[Row, ...]
    measure: Callable[[Lab], Samples]
    rounds: tuple[int, int]
