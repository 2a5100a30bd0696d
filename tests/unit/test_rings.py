"""
The whole run says what it did, and lets nothing pass that speaks of two at once.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.rings import note

_CI = Path(__file__).resolve().parents[2] / ".ci"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, _CI / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rings, again, coverage = _load("rings"), _load("again"), _load("coverage")

_REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="test_late"><failure message="{late}"/></testcase>
<testcase classname="tests.b" name="test_fine"/>
</testsuite></testsuites>"""


def test_what_tests_note_is_added_up_by_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGS", str(tmp_path / "rings"))
    monkeypatch.setenv("RING", "simulation")
    note(schedules=4_000, seed="1")
    note(schedules=6_000, seed="2", passed=50, planted=41)
    lines = (tmp_path / "rings").read_text().splitlines()
    found = rings.gather(lines)
    assert found["simulation"]["schedules"] == 10_000
    text = rings.table(found)
    assert "schedules 10000; seed 1, 2" in text
    short = rings.shortfalls(found)
    assert not any(line.startswith("simulation") for line in short)
    assert any(line.startswith("e2e: passed 0, want at least") for line in short)


def test_a_ring_below_its_minimum_is_named() -> None:
    line = {"ring": "simulation", "facts": {"passed": 9, "schedules": 9_999}}
    short = rings.shortfalls(rings.gather([json.dumps(line)]))
    assert "simulation: schedules 9999, want at least 10000" in short


def test_a_test_that_was_late_may_be_run_again() -> None:
    found = again.failures(_REPORT.format(late="waited 30.0 s until it happens"))
    assert list(found) == ["tests.a::test_late"]
    assert again.verdict(found) is None


@pytest.mark.parametrize(
    "message",
    ["assert 2 == 1\n + where 2 = most_at_once()", "two writers: a_1, b_2"],
)
def test_two_at_once_is_final(message: str) -> None:
    found = again.failures(_REPORT.format(late=message))
    assert "two at once" in str(again.verdict(found))


def test_more_failures_than_chance_explains_are_final() -> None:
    assert "more than" in again.verdict({str(n): "late" for n in range(4)})


def test_a_ring_that_failed_without_a_test_is_final() -> None:
    assert again.verdict({}) is not None


def _files(**packages: tuple[int, int]) -> dict[str, dict[str, dict[str, int]]]:
    return {
        f"k8s_leader/{name}/x.py": {
            "summary": {"num_statements": total, "covered_lines": hit}
        }
        for name, (total, hit) in packages.items()
    }


def test_full_coverage_is_silent() -> None:
    found = coverage.reached(_files(guard=(200, 200), web=(100, 90)))
    assert coverage.judge(found) == ([], True)


def test_a_branch_that_was_not_seen_is_said_and_a_function_fails_the_run() -> None:
    said, passes = coverage.judge(coverage.reached(_files(guard=(200, 199))))
    assert said == ["guard: 99.50 %, want 100, fails below 99"]
    assert passes
    assert not coverage.judge(coverage.reached(_files(guard=(200, 190))))[1]
    assert not coverage.judge(coverage.reached(_files(web=(100, 94))))[1]
