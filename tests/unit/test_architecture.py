"""
What a linter of imports cannot say: the rules of the layers and of the style.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "k8s_leader"
FILES = sorted(PACKAGE.rglob("*.py"))
GUARD_MAY = tuple(
    f"k8s_leader.{name}" for name in ("guard", "election", "clock", "errors")
)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


GUARD = [path for path in FILES if path.is_relative_to(PACKAGE / "guard")]


def test_the_guard_imports_the_standard_library_and_the_pure_core() -> None:
    used = {name for path in GUARD for name in imports(path)}
    foreign = [
        name
        for name in used
        if not name.startswith(GUARD_MAY)
        and name.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert foreign == []
    assert "asyncio" not in used


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_stay_below_the_hard_limit(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "no module docstring"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_task_has_a_name(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            made = node.func.attr in {"create_task", "ensure_future"}
            named = any(word.arg == "name" for word in node.keywords)
            assert named or not made, f"line {node.lineno} makes a task without a name"
