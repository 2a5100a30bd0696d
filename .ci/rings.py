"""
The table at the end of ``make test``: what each ring ran, and that it was enough.

``rings.py FILE`` reads the lines that ``tests/helpers/rings.py`` and the hooks of
``tests/conftest.py`` wrote. A ring that did less than its minimum fails the run.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

MINIMA = {
    "simulation": {"passed": 45, "schedules": 10_000, "planted": 44},
    "deadlines": {"passed": 300, "fuzz_rounds": 1},
    "others": {
        "passed": 3_000,
        "mutations": 21,
        "chaos_faults": 20,
        "soak_hand_overs": 5,
    },
    "lowest": {"passed": 1_000},
    "packaging": {"passed": 15},
    "e2e": {"passed": 45},
}
"""What a whole run has to have done, by ring."""

COUNTS = ("passed", "failed", "skipped", "again", "seconds")


def gather(lines: list[str]) -> dict[str, dict[str, Any]]:
    """
    Add the facts of each ring up: numbers as sums, texts as sets.
    """
    rings: dict[str, dict[str, Any]] = defaultdict(dict)
    for line in lines:
        entry = json.loads(line)
        facts = rings[entry["ring"]]
        for name, value in entry["facts"].items():
            if isinstance(value, str):
                facts.setdefault(name, set()).add(value)
            else:
                facts[name] = facts.get(name, 0) + value
    return dict(rings)


def shortfalls(rings: dict[str, dict[str, Any]]) -> list[str]:
    """
    Return a sentence for each ring that did too little.
    """
    return [
        f"{ring}: {name} {rings.get(ring, {}).get(name, 0)}, want at least {least}"
        for ring, wanted in MINIMA.items()
        for name, least in wanted.items()
        if rings.get(ring, {}).get(name, 0) < least
    ]


def table(rings: dict[str, dict[str, Any]]) -> str:
    """
    Return the rings as aligned text, one a line, what else they noted at the end.
    """
    head = ["ring", "passed", "failed", "skipped", "ran again", "minutes", "what"]
    rows = [head, *(_row(ring, facts) for ring, facts in rings.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def _row(ring: str, facts: dict[str, Any]) -> list[str]:
    counts = [str(int(facts.get(name, 0))) for name in COUNTS[:-1]]
    minutes = f"{facts.get('seconds', 0) / 60:.1f}"
    return [ring, *counts, minutes, "; ".join(_told(facts))]


def _told(facts: dict[str, Any]) -> list[str]:
    return [
        f"{name} {', '.join(sorted(value)) if isinstance(value, set) else f'{value:g}'}"
        for name, value in facts.items()
        if name not in COUNTS
    ]


def main() -> int:
    """
    Print the table; return 0 when every ring did enough.
    """
    rings = gather(Path(sys.argv[1]).read_text().splitlines())
    print(table(rings))
    short = shortfalls(rings)
    for line in short:
        print(f"too little was tested: {line}", file=sys.stderr)
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
