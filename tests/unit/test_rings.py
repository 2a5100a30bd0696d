"""
The whole run says what it did, and lets nothing pass that speaks of two at once.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from xml.sax.saxutils import escape

import pytest

from tests.chaos.history import Beat, History, State
from tests.chaos.history import check as check_history
from tests.e2e.terms import Term
from tests.e2e.terms import check as check_terms
from tests.helpers.rings import note
from tests.integration.guard.fuzz_real import AT_ONCE
from tests.integration.guard.fuzz_scripted import LATE

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
    note(schedules=6_000, seed="2", passed=50, planted=44)
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


def _said_of_chaos() -> list[str]:
    """
    Return all that the check of a history says of one in which all is wrong.
    """
    beats = [Beat(at=at, token=5, identity="a_1") for at in (1.0, 9.0)]
    beats += [Beat(at=at, token=5, identity="b_1") for at in (2.0, 30.0)]
    states = [
        State(holder=who, duration=5.0, renewed=at, acquired=at, released_by=by)
        for who, at, by in [("a_1", 0.9, ""), ("b_1", 1.9, ""), ("", 10.0, "b_1")]
    ]
    made = History(beats=beats, states=states, troubles=(), gaps=(), lease_duration=5)
    found = check_history(made).broken
    kinds = {line.partition(":")[0] for line in found}
    assert kinds == {"overlap", "tokens", "grant", "taken", "release"}
    return found


def _said_of_pods() -> list[str]:
    def term(token: int, first: float) -> Term:
        return Term(pod="a", token=token, first=first, last=first + 1)

    said = []
    for pair in ([term(1, 0.0), term(2, 0.5)], [term(2, 0.0), term(1, 2.0)]):
        with pytest.raises(AssertionError) as raised:
            check_terms(pair)
        said.append(str(raised.value))
    return said


_OF_TWO = [
    "assert 2 == 1\n + where 2 = most_at_once()",  # what pytest makes of a journal
    "two writers: a_1, b_2",
    AT_ONCE,
    f"3 {LATE}, at 7.000",
]


@pytest.mark.parametrize("message", [*_OF_TWO, *_said_of_chaos(), *_said_of_pods()])
def test_two_at_once_is_final(message: str) -> None:
    found = again.failures(_REPORT.format(late=escape(message)))
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
