"""
What README and docs say in figures is what the bench measured.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import machine
from bench.figures import merge, shown, summary
from bench.part import Part, Row
from bench.parts import PARTS
from bench.report import ALSO, judged, page, plots, told

ROOT = Path(__file__).resolve().parents[2]
RESULT = {
    "date": "2026-01-01T00:00+00:00",
    "commit": "abc1234",
    "load_before": 0.1,
    "machine": {"cpu": "c", "cores": "2", "memory_gb": "8", "system": "Linux 6"},
    "versions": {"Python": "3.11"},
    "figures": {
        "ours": {"next": summary([0.01, 0.02, 0.03])},
        "asyncio": {"next": summary([15.0])},
    },
}


def test_readme_figures_page_and_plots_are_those_of_the_results() -> None:
    script = ROOT / "docs" / "write_figures.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False, cwd=ROOT)
    assert done.returncode == 0, "run: make docs"


def test_a_changed_result_changes_page_readme_and_plot() -> None:
    results = {"sigterm": RESULT}
    marks = "a\n<!-- figures: make docs -->\nold\n<!-- end of figures -->\nb"
    written = told(marks, results)
    assert "20 ms / 30 ms" in written
    assert "old" not in written
    assert written.startswith("a\n")
    assert written.endswith("\nb")
    assert "20 ms / 30 ms / 30 ms (3)" in page(results)
    ((name, drawing),) = plots(results)
    assert name == "figures-sigterm.svg"
    assert "20 ms / 30 ms" in drawing
    assert list(plots(results)) == [(name, drawing)]


def test_every_row_that_a_page_tells_is_measured() -> None:
    for rows in ALSO.values():
        for name, key in rows:
            assert key in {row.key for row in PARTS[name].rows}


def test_what_was_not_measured_is_said() -> None:
    assert "Not measured yet" in page({"sigterm": RESULT})
    assert shown({"n": 0}, "s") == "–"


def test_the_999th_of_a_thousand_is_shown_where_there_are_so_many() -> None:
    many = [n / 1000 for n in range(1, 2001)]
    assert shown(summary(many), "s") == "1.00 s / 1.98 s / 2.00 s / 2.00 s (2000)"
    assert shown(summary(many[:999]), "s") == "500 ms / 990 ms / 999 ms (999)"


@pytest.mark.parametrize(
    ("figure", "told"),
    [
        ({"n": 3, "p50": 0.012, "max": 0.1}, "≤ 12 ms, never over 100 ms"),
        ({"n": 3, "p50": 0.013, "max": 0.1}, "≤ 12 ms, never over 100 ms (missed)"),
        ({"n": 3, "p50": 0.012, "max": 0.2}, "≤ 12 ms, never over 100 ms (missed)"),
        ({"n": 0}, "≤ 12 ms, never over 100 ms"),
    ],
)
def test_a_goal_that_is_missed_is_told(figure: dict[str, Any], told: str) -> None:
    row = Row(key="k", what="w", goal=0.012, limit=0.1)
    assert judged(row, {"k": figure}) == told
    assert judged(row, {}) == "≤ 12 ms, never over 100 ms"


def test_a_part_replaces_its_own_result_only(tmp_path: Path) -> None:
    file = tmp_path / "results" / "figures.json"
    merge("start", {"date": "1"}, path=file)
    merge("sigterm", {"date": "2"}, path=file)
    merge("start", {"date": "3"}, path=file)
    assert '"date": "3"' in file.read_text()
    assert '"date": "2"' in file.read_text()
    assert '"date": "1"' not in file.read_text()


def test_percentiles_are_by_nearest_rank() -> None:
    found = summary([n / 1000 for n in range(1, 1001)])
    assert (found["n"], found["p50"], found["p99"]) == (1000, 0.5, 0.99)
    assert (found["p999"], found["max"]) == (0.999, 1.0)


@pytest.mark.parametrize("part", PARTS.values(), ids=list(PARTS))
def test_every_part_says_what_it_measures(part: Part) -> None:
    assert part.about.endswith(".")
    assert len({row.key for row in part.rows}) == len(part.rows) > 0
    assert min(part.rounds) > 0


def test_a_commit_is_marked_when_the_code_was_changed_and_not_by_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, results = tmp_path / "k8s_leader" / "a.py", tmp_path / "bench" / "results"
    (tmp_path / "tests").mkdir()
    for folder in (code.parent, results):
        folder.mkdir(parents=True)
    for file in (code, results / "figures.json", tmp_path / "tests" / "b.py"):
        file.write_text("1")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    (results / "figures.json").write_text("2")
    assert re.fullmatch(r"[0-9a-f]{7,}", machine.commit())
    code.write_text("2")
    assert re.fullmatch(r"[0-9a-f]{7,}\+", machine.commit())
