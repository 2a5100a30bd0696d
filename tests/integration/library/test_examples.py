"""
The examples of the fencing cookbook run as they are printed.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from examples.fencing import FencedTable, StaleTokenError

EXAMPLES = Path(__file__).parents[3] / "examples"


def _rows(path: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT value, token FROM results").fetchall()


def test_each_way_to_lead_writes_with_a_newer_token_than_the_one_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "results.db"
    for way in ("run", "campaign", "decorator"):
        script = str(EXAMPLES / "fencing.py")
        subprocess.run([sys.executable, script, way, str(path)], check=True, timeout=60)
    ways, tokens = zip(*_rows(path), strict=True)
    assert ways == ("run", "campaign", "decorator")
    assert tokens[0] < tokens[1] < tokens[2]


def test_the_table_refuses_an_older_token_and_keeps_what_is_there(
    tmp_path: Path,
) -> None:
    table = FencedTable(tmp_path / "results.db")
    table.write("new", token=8)
    table.write("again", token=8)
    with pytest.raises(StaleTokenError, match="token 7 is older"):
        table.write("late", token=7)
    assert _rows(tmp_path / "results.db") == [("new", 8), ("again", 8)]
