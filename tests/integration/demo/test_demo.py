"""
The demo runs as a stranger runs it, and its verdict is computed, not printed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from k8s_leader.cli.demo_journal import Journal, Term, most_at_once


@pytest.mark.slow
def test_the_demo_hands_over_fails_over_and_counts_the_leaders() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "k8s_leader", "demo"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    assert "leaders at once: never more than 1" in done.stdout
    assert "is killed (SIGKILL)" in done.stdout
    assert done.stdout.count("leads after") == 3


def test_overlapping_terms_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("1.0 1 a start\n2.0 2 b start\n3.0 1 a beat\n4.0 2 b end\n5.0 3")
    journal = Journal(str(path))
    assert [term.token for term in journal.terms()] == [1, 2]
    assert journal.most_at_once() == 2


def test_two_workloads_under_one_token_are_two(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("1.0 1 a start\n2.0 1 b start\n3.0 1 a beat\n4.0 1 b end\n")
    assert Journal(str(path)).most_at_once() == 2


def test_terms_one_after_the_other_do_not_overlap() -> None:
    terms = [
        Term(token=1, who="a", began=1.0, ended=2.0),
        Term(token=2, who="b", began=2.001, ended=3.0),
    ]
    assert most_at_once(terms) == 1
