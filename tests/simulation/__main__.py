"""
Run schedules: ``python -m tests.simulation --schedules 10000 --jobs 2``.

``--seed N --trace`` replays one; a seed that fails is shrunk and traced by itself.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time

from tests.simulation.campaign import explain, run_many
from tests.simulation.run import run_plan
from tests.simulation.themes import THEMES, make_plan


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=float, help="stop after so many of them")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--theme", choices=sorted(THEMES))
    parser.add_argument("--trace", action="store_true")
    given = parser.parse_args()
    logging.getLogger("k8s_leader").setLevel(logging.CRITICAL + 1)
    if given.seed is not None:
        return _one(given.seed, theme=given.theme, trace=given.trace)
    limit = float("inf") if given.minutes is None else 60 * given.minutes
    began = time.monotonic()
    summary = None
    for summary in run_many(  # the last one is the sum
        first=given.first, schedules=given.schedules, jobs=given.jobs
    ):
        print(f"\r{summary.schedules} schedules", end="", file=sys.stderr)
        if time.monotonic() - began > limit:
            break
    print(file=sys.stderr)
    if summary is None:
        return 2
    minutes = round((time.monotonic() - began) / 60, 1)
    print(json.dumps(summary.as_json() | {"minutes": minutes}, indent=2))
    if summary.findings:
        print(explain(summary.findings[0][0]))
    return 1 if summary.failed else 0


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
