"""
docs/mistakes.md names a test that exists, or a planted fault, for every mistake.
"""

from __future__ import annotations

import re

import pytest

from tests.mutations.table import MUTATIONS
from tests.mutations.test_mutations import MISTAKES_OF_PEERS
from tests.simulation.planted import PLANTED
from tests.unit.guard.test_docs import existing, rows, text

PAGE = "mistakes.md"
TABLES = {"## Electors": 29, "## Runners and libraries": 12, "## Deployments": 3}
"""How many mistakes each table has at least."""


def faults_of(cell: str) -> set[str]:
    return set(re.findall(r'"([^"]+)"', cell))


@pytest.mark.parametrize("title", TABLES)
def test_each_mistake_is_shown_by_a_test_or_a_planted_fault(title: str) -> None:
    heading, _, *found = rows(title, PAGE)
    assert heading == ["mistake", "seen in", "what fails here"]
    assert len(found) >= TABLES[title]
    planted = {p.name for p in PLANTED} | {mutation.name for mutation in MUTATIONS}
    for *_, shown_by in found:
        tests = set(re.findall(r"`(test_\w+)`", shown_by))
        assert tests | faults_of(shown_by), shown_by
        assert tests <= existing(), tests - existing()
        assert faults_of(shown_by) <= planted, faults_of(shown_by) - planted


def test_no_mistake_is_told_twice() -> None:
    told = [row[0] for title in TABLES for row in rows(title, PAGE)[2:]]
    assert len(told) == len(set(told))


def test_what_is_planted_as_a_mistake_of_others_is_on_the_page() -> None:
    assert set(MISTAKES_OF_PEERS.values()) <= faults_of(text(PAGE))
