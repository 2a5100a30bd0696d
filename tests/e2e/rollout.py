"""
What a rolling update looked like: who stood by and who worked, old and new.

docs/draw_rollout.py draws what is kept here, in the cache, by each run that passes; a
rollout that is measured and the one that is drawn have to tell the same story.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from bench.machine import commit, machine
from tests.cluster.kind.shell import cache
from tests.e2e.release import Release
from tests.e2e.terms import read_terms

__all__ = ["Run", "keep", "runs_of", "the_one_move"]

Run = dict[str, Any]
"""Pod, version (old or new), role, and from when to when, in seconds of the upgrade."""


def runs_of(release: Release, *, old: set[str], began: float) -> list[Run]:
    """
    Return what ran, in the order in which it began.

    Args:
        release: with a standby's command that writes into the folder ``standby``.
        old: the Pods that were there before.
        began: when the upgrade did.
    """
    seen = {"standby": read_terms(release.folder / "standby")}
    seen["leads"] = release.terms()
    runs = [
        {
            "pod": term.pod,
            "version": "old" if term.pod in old else "new",
            "role": role,
            "from": round(term.first - began, 3),
            "to": round(term.last - began, 3),
        }
        for role, terms in seen.items()
        for term in terms
    ]
    return sorted(runs, key=lambda run: float(run["from"]))


def the_one_move(runs: list[Run]) -> float:
    """
    Assert that the leadership moved once, to a new Pod that had stood by.

    Returns:
        how long nobody worked, in seconds.
    """
    first, second = (run for run in runs if run["role"] == "leads")
    assert (first["version"], second["version"]) == ("old", "new")
    # Whoever stood by before the upgrade went first, and stood by no more.
    old = [r for r in _standbys(runs, "old") if r["to"] > 0]
    assert all(run["to"] < first["to"] for run in old), old
    mine = [r for r in _standbys(runs, "new") if r["pod"] == second["pod"]]
    assert mine
    assert all(first["from"] < run["from"] for run in mine), mine
    return float(second["from"] - first["to"])


def keep(runs: list[Run]) -> None:
    """
    Keep it for docs/draw_rollout.py.
    """
    kept = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "runs": runs,
    }
    file = cache("measured") / "rollout.json"
    file.write_text(json.dumps(kept, indent=1) + "\n")


def _standbys(runs: list[Run], version: str) -> list[Run]:
    return [r for r in runs if (r["role"], r["version"]) == ("standby", version)]
