"""
The table in docs/client-go-tests.md is whole, and names tests that exist.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.election.test_client_go_table import TRY_ACQUIRE_OR_RENEW

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "client-go-tests.md"


def rows() -> list[list[str]]:
    lines = [x for x in PAGE.read_text().splitlines() if x.startswith("|")]
    cells = [[cell.strip() for cell in x.strip("|").split("|")] for x in lines]
    return [row for row in cells if row[0] != "row" and set(row[0]) != {"-"}]


def named(row: list[str]) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", row[-1]))


def existing() -> set[str]:
    files = (ROOT / "tests").rglob("test_*.py")
    code = "\n".join(path.read_text() for path in files)
    return set(re.findall(r"^(?:async )?def (test_\w+)", code, re.MULTILINE))


def test_each_row_names_tests_and_all_of_them_exist() -> None:
    tests = existing()
    for row in rows():
        assert named(row), row
        assert named(row) <= tests, named(row) - tests


def test_all_twenty_rows_are_there_once_and_in_order() -> None:
    numbers = [int(row[0]) for row in rows() if row[0].isdigit()]
    assert numbers == list(range(1, 21))


def test_a_row_of_the_parametrized_table_is_in_that_table() -> None:
    there = {int(row.name.split()[0]) for row in TRY_ACQUIRE_OR_RENEW}
    here = {int(r[0]) for r in rows() if "test_try_acquire_or_renew" in named(r)}
    assert here == there
