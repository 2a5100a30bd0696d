"""
Run schedules: ``python -m tests.simulation --schedules 10000 --jobs 2``.

``--seed N --trace`` replays one; a seed that fails is shrunk and traced by itself.
``--record FILE`` keeps the sum so far in a file: a long run may be ended and goes on
from there when the same command is given again.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.simulation.campaign import Summary, explain, run_many
from tests.simulation.recorded_run import go_on
from tests.simulation.run import run_plan
from tests.simulation.themes import THEMES, make_plan


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=float, help="stop after so many of them")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--theme", choices=sorted(THEMES), help="of all schedules")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument(
        "--record", type=Path, help="keep the result here, and go on from what is there"
    )
    given = parser.parse_args()
    logging.getLogger("k8s_leader").setLevel(logging.CRITICAL + 1)
    if given.seed is not None:
        return _one(given.seed, theme=given.theme, trace=given.trace)
    if given.record and given.theme:
        parser.error("--record is for runs of all themes")
    return _many(given)


def _many(given: argparse.Namespace) -> int:
    limit = float("inf") if given.minutes is None else given.minutes
    began = time.monotonic()
    summary = Summary(first_seed=given.first)
    for summary in _sums(given, limit):  # the last one is the sum
        print(f"\r{summary.schedules} schedules", end="", file=sys.stderr)
        if time.monotonic() - began > 60 * limit:
            break
    print(file=sys.stderr)
    minutes = round((time.monotonic() - began) / 60, 1)
    print(json.dumps(summary.as_json() | {"minutes": minutes}, indent=2))
    if summary.findings:
        print(explain(summary.findings[0][0], theme=given.theme))
    return 1 if summary.failed else 0


def _sums(given: argparse.Namespace, limit: float) -> Iterator[Summary]:
    seeds = {"first": given.first, "schedules": given.schedules, "jobs": given.jobs}
    if given.record:
        return go_on(given.record, minutes=limit, **seeds)
    return run_many(theme=given.theme, **seeds)


def _one(seed: int, *, theme: str | None, trace: bool) -> int:
    outcome = run_plan(make_plan(seed, theme=theme), tracing=trace)
    if outcome.findings:
        print(explain(seed, theme=theme))
        return 1
    print(outcome.plan.describe())
    print("\n".join(outcome.lines) or "nothing was broken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
