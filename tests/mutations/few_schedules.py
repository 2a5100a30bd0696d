"""
A few schedules of every kind, for changes that are made one at a time.

``mutmut`` (see docs/how-we-know.md) runs it for each change of the core, which ten
thousand schedules would take too long for. Not collected otherwise.
"""

from __future__ import annotations

from tests.simulation.campaign import run_many


def test_nothing_is_broken_in_a_few_schedules() -> None:
    *_, found = run_many(first=0, schedules=150, jobs=1)  # the last is the sum
    assert found.schedules == 150
    assert found.findings == []
