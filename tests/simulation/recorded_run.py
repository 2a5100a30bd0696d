"""
A long run in pieces: what it came to so far is kept in a file, and goes on from there.

The file names the commit and the exact trees of the product and of the simulation. A
run goes on only with the same ones: seeds of different code do not add up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.helpers.git import ask_git
from tests.simulation.campaign import Summary, run_many

__all__ = ["OtherSourcesError", "go_on", "sources"]

_ROOT = Path(__file__).parents[2]
_TREES = ("k8s_leader", "tests/simulation")


class OtherSourcesError(Exception):
    """
    The file is of other code than what would run now.
    """


def sources(root: Path = _ROOT) -> dict[str, str]:
    """
    Return the commit and the trees that a run is of.
    """
    trees = {name: ask_git(root, "rev-parse", f"HEAD:{name}")[:12] for name in _TREES}
    changed = bool(ask_git(root, "status", "--porcelain", "--", *_TREES))
    commit = ask_git(root, "rev-parse", "HEAD")[:12] or "unknown"
    return {"commit": commit + ("+changes" if changed else ""), **trees}


def go_on(
    file: Path, *, first: int, schedules: int, jobs: int, minutes: float
) -> Iterator[Summary]:
    """
    Run what is missing of the seeds, at most for so long; yield the sum so far.

    The file is replaced after every part, so a run may be ended at any moment.

    Raises:
        OtherSourcesError: the file is of other code, or of other seeds.
    """
    now = sources()
    kept = _kept(file, now, first)
    total = Summary(first_seed=first) if kept is None else Summary.from_json(kept)
    before = 0.0 if kept is None else float(kept["minutes"])
    commit = now["commit"] if kept is None else str(kept["commit"])
    began = time.monotonic()
    left = schedules - total.schedules
    yield total
    if left <= 0:
        return
    base = total.as_json()
    for more in run_many(first=first + total.schedules, schedules=left, jobs=jobs):
        total = Summary.from_json(base)
        total.merge(more)
        took = (time.monotonic() - began) / 60
        about = {**now, "commit": commit, "minutes": round(before + took, 2)}
        _write(file, about | total.as_json())
        yield total
        if took >= minutes:
            return


def _kept(file: Path, now: dict[str, str], first: int) -> dict[str, Any] | None:
    if not file.exists():
        return None
    kept: dict[str, Any] = json.loads(file.read_text())
    wanted = {"first_seed": first, **{name: now[name] for name in _TREES}}
    other = {name: kept.get(name) for name in wanted if kept.get(name) != wanted[name]}
    if other or "+changes" in now["commit"]:
        raise OtherSourcesError(f"{file} is of {other or 'committed code'}")
    return kept


def _write(file: Path, result: dict[str, Any]) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(result, indent=2) + "\n")
    new.replace(file)
