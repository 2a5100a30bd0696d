"""
docs/how-we-know.md tells the recorded run, and has no gap that somebody meant to fill.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-we-know.md").read_text()


def _record(name: str) -> dict[str, Any]:
    file = ROOT / "bench" / "results" / f"{name}.json"
    found: dict[str, Any] = json.loads(file.read_text())
    return found


RECORD = _record("simulation")


def test_the_page_tells_the_recorded_million() -> None:
    first, count = RECORD["first_seed"], RECORD["schedules"]
    overlaps = RECORD["overlaps_outside"].values()
    assert count >= 1_000_000
    assert (
        f"commit {RECORD['commit']}, seeds {first:,} to {first + count - 1:,}" in PAGE
    )
    for told in (
        f"{RECORD['inside_the_assumptions']:,} schedules",
        f"{RECORD['outside']:,} schedules: {RECORD['failed']} finding",
        f"{sum(each['count'] for each in overlaps):,}; the longest took "
        f"{max(each['longest_seconds'] for each in overlaps)} s",
        f"{RECORD['terms']:,}; {RECORD['requests']:,}",
        f"{RECORD['virtual_hours']:,.0f} hours",
    ):
        assert told in PAGE, told


def test_the_page_tells_what_was_run_since() -> None:
    since = _record("simulation-since")
    first, count = since["first_seed"], since["schedules"]
    overlaps = since["overlaps_outside"].values()
    told = (
        f"commit {since['commit']}, seeds {first:,} to {first + count - 1:,}, "
        f"{since['inside_the_assumptions']:,} schedules inside the assumptions and "
        f"{since['outside']:,} outside, {since['failed']} findings; "
        f"{sum(each['count'] for each in overlaps):,} overlaps outside, the longest "
        f"{max(each['longest_seconds'] for each in overlaps):.2f} s; "
        f"{since['terms']:,} terms, {since['virtual_hours']:,.0f} hours."
    )
    assert told in " ".join(PAGE.split())


def test_the_page_tells_the_recorded_chaos() -> None:
    run = _record("chaos")
    assert run["broken"] == []
    assert run["overlaps_outside"] == 0
    told = (
        f"commit {run['commit']}, seed {run['seed']}, beside a simulation on the same "
        f"cores): {run['faults_total']} faults, {run['terms_of_ours']} terms of ours, "
        f"{run['terms_of_peers']} of peers, {run['candidates_started']} candidates "
        f"started, {run['beats']:,} lines, {run['record_states']:,} states."
    )
    assert told in " ".join(PAGE.split())
    assert f"{run['terms_not_judged']} terms lay beside one of " in PAGE
    assert f"was {run['longest_until_work_seconds']} s." in " ".join(PAGE.split())


def test_every_finding_of_the_recorded_million_is_explained() -> None:
    for seed, _ in RECORD["findings"]:
        assert f"seed {seed}" in PAGE


def test_the_command_is_the_recorded_one() -> None:
    words = f"--schedules {RECORD['schedules']} --first {RECORD['first_seed']}"
    assert words in PAGE


def test_no_page_has_a_gap() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert not re.search(r"@@|TODO|FIXME", page.read_text()), page.name
