"""
The comparison in docs/guard.md claims nothing that no test shows.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def rows() -> list[list[str]]:
    text = (ROOT / "docs" / "guard.md").read_text()
    table = text.split("## Against tini and dumb-init")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_row_of_the_comparison_has_a_verdict_and_tests_that_exist() -> None:
    heading, _, *found = rows()
    assert heading[-2:] == ["verdict", "shown by"]
    assert len(found) > 10
    sources = (ROOT / "tests" / "integration" / "guard").glob("test_*.py")
    code = "\n".join(path.read_text() for path in sources)
    existing = set(re.findall(r"^def (test_\w+)", code, re.MULTILINE))
    for *_, verdict, shown_by in found:
        assert verdict in {"same", "better", "different"}
        named = set(re.findall(r"`(test_\w+)`", shown_by))
        assert named, shown_by
        assert named <= existing, named - existing
