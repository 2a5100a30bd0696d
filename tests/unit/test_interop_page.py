"""
The table in docs/interop.md is whole, and names tests that exist.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.test_client_go_tests import existing

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "interop.md"
TESTS = ROOT / "tests" / "integration" / "interop"


def rows() -> list[list[str]]:
    lines = [x for x in PAGE.read_text().splitlines() if re.match(r"\| \d+ \|", x)]
    return [[cell.strip() for cell in x.strip("|").split("|")] for x in lines]


def named(cell: str) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", cell))


def test_all_rules_are_there_once_and_in_order() -> None:
    assert [int(row[0]) for row in rows()] == list(range(1, 16))


def test_each_rule_names_its_test_with_client_go() -> None:
    for row in rows():
        mine = {name for name in named(row[2]) if f"test_rule_{row[0]}_" in name}
        assert mine == named(row[2])
        assert mine, row


def test_every_test_that_is_named_exists() -> None:
    tests = existing()
    for row in rows():
        assert named(row[2]) | named(row[3]) <= tests, row


def test_every_test_of_a_rule_is_named() -> None:
    texts = "\n".join(file.read_text() for file in TESTS.glob("test_*.py"))
    there = set(re.findall(r"^def (test_rule_\w+)", texts, re.MULTILINE))
    assert there == set().union(*(named(row[2]) for row in rows()))
