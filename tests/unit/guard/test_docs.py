"""
docs/guard.md claims nothing that no test shows, and the guard is as small as it says.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GUARD = ROOT / "k8s_leader" / "guard"
PROMISES = "## What it promises, and what shows it"
COMPARISON = "## Against tini and dumb-init"
TOPICS = [
    *("Tree", "Time", "Elector", "Signals", "Status", "Standby", "Health"),
    *("Environment", "Log", "Disabled", "In-process", "Whatever else"),
]
MOST = 1195
"""Lines of code; the guard has to be read in one sitting."""

_NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT),
    *(tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER),
}


def text(page: str = "guard.md") -> str:
    return (ROOT / "docs" / page).read_text()


def rows(title: str, page: str = "guard.md") -> list[list[str]]:
    table = text(page).split(title)[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@cache
def existing() -> frozenset[str]:
    sources = (ROOT / "tests").rglob("test_*.py")
    code = "\n".join(path.read_text() for path in sources)
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)", code, re.MULTILINE))


def code_lines(path: Path) -> int:
    """
    Return how many lines have code on them: no blanks, comments or docstrings.
    """
    source = path.read_text()
    docs: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docs.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docs)


@pytest.mark.parametrize("title", [PROMISES, COMPARISON])
def test_each_row_is_shown_by_tests_that_exist(title: str) -> None:
    heading, _, *found = rows(title)
    assert heading[-1] == "shown by"
    assert len(found) > 10
    for *_, shown_by in found:
        named = set(re.findall(r"`(test_\w+)`", shown_by))
        assert named, shown_by
        assert named <= existing(), named - existing()


def test_each_rule_of_the_safety_page_is_shown_by_tests_and_code_that_exist() -> None:
    _, _, *found = rows("## The rules", "safety.md")
    assert [row[0] for row in found] == [f"S{number}" for number in range(1, 20)]
    for *_, where, shown_by in found:
        named = set(re.findall(r"`(test_\w+)`", shown_by))
        assert named, shown_by
        assert named <= existing(), named - existing()
        for path in re.findall(r"`([^`]+)`", where):
            assert (ROOT / "k8s_leader" / path).exists(), path


def test_each_row_of_the_comparison_has_a_verdict() -> None:
    heading, _, *found = rows(COMPARISON)
    assert heading[-2] == "verdict"
    assert {row[-2] for row in found} == {"same", "better", "different"}


def test_every_kind_of_promise_has_a_row() -> None:
    first = "\n".join(row[0] for row in rows(PROMISES))
    assert re.findall(r"\*\*([^*.]+)\.?\*\*", first) == TOPICS


def test_the_guard_is_as_small_as_the_page_says() -> None:
    count = sum(code_lines(path) for path in GUARD.glob("*.py"))
    assert f"is {count} lines of code" in text()
    assert count <= MOST


def test_the_guard_imports_little_of_the_standard_library() -> None:
    """
    Each of these would cost it a megabyte or more, or threads, or a network.
    """
    dear = {"typing", "dataclasses", "logging", "uuid", "inspect", "subprocess"}
    dear |= {"asyncio", "threading", "ssl", "http", "urllib", "importlib.metadata"}
    dear |= {"socket", "selectors"}
    code = (
        f"import sys; sys.path.append({str(ROOT)!r});"
        "import k8s_leader.guard.supervisor; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    assert not dear & set(done.stdout.split())
