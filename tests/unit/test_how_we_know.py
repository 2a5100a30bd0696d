"""
docs/how-we-know.md tells the recorded run, and has no gap that somebody meant to fill.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-we-know.md").read_text()
RECORD = json.loads((ROOT / "bench" / "results" / "simulation.json").read_text())


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


def test_every_finding_of_the_recorded_million_is_explained() -> None:
    for seed, _ in RECORD["findings"]:
        assert f"seed {seed}" in PAGE


def test_the_command_is_the_recorded_one() -> None:
    words = f"--schedules {RECORD['schedules']} --first {RECORD['first_seed']}"
    assert words in PAGE


def test_no_page_has_a_gap() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert not re.search(r"@@|TODO|FIXME", page.read_text()), page.name
