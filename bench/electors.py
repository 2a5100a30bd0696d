"""
The one loop over the electors that the parts share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.candidates import KINDS, Kind
from bench.figures import Samples
from bench.lab import Lab

__all__ = ["TITLES", "Measured", "each", "lanes"]

TITLES = {
    "ours": "k8s-leader",
    "client-go": "client-go",
    "asyncio": "kubernetes_asyncio",
    "peering": "kopf peering",
    "floor": "no elector",
}
"""Elector → its name, for people."""

Measured = Mapping[str, Sequence[float]]


def each(
    lab: Lab, measure: Callable[[Kind], Measured], *, together: bool = False
) -> Samples:
    """
    Measure every elector, one after the other or all at once.

    One that cannot be measured is said to be so, and takes nobody's figures along.
    """

    def one(kind: Kind) -> Measured:
        lab.say(f"  {kind.name}")
        try:
            return measure(kind)
        except (OSError, RuntimeError) as error:
            lab.say(f"  {kind.name} FAILED: {error}")
            return {}

    with ThreadPoolExecutor(len(KINDS) if together else 1) as pool:
        found = pool.map(one, KINDS.values())
        return dict(zip(KINDS, found, strict=True))


def lanes(measure: Callable[[int], Measured], shares: Iterable[int]) -> Measured:
    """
    Measure on several Leases at a time and put the samples together.

    Args:
        measure: called with the number of rounds of its lane.
        shares: the rounds of each lane.
    """
    rounds = [share for share in shares if share]
    joined: dict[str, list[float]] = {}
    with ThreadPoolExecutor(len(rounds)) as pool:
        for part in pool.map(measure, rounds):
            for key, samples in part.items():
                joined.setdefault(key, []).extend(samples)
    return joined
