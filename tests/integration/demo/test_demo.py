"""
The demo runs as a stranger runs it, and its verdict is computed, not printed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from k8s_leader.cli.demo_journal import Journal, Term, most_at_once
from k8s_leader.cli.demo_lease import remove_lease

if TYPE_CHECKING:
    from tests.helpers.cluster import ApiServer


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
    assert done.stdout.count("stops gracefully (SIGTERM)") == 2
    _, _, table = done.stdout.partition("next workload runs after\n")
    assert [line.split()[1] for line in table.splitlines()[:3]] == [
        "stops",
        "is",
        "stops",
    ]
    assert done.stdout.count("leads after") == 3


@pytest.mark.slow
@pytest.mark.kube
def test_the_demo_on_kubernetes_leaves_no_lease_behind(
    api_server: ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig(namespace=namespace)))
    demo = [sys.executable, "-m", "k8s_leader", "demo", "--kubernetes"]
    done = subprocess.run(
        demo, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "one lease: k8s-leader-demo-" in done.stdout
    assert "leaders at once: never more than 1" in done.stdout
    found = api_server.request("GET", api_server.lease_path(namespace))
    assert found["items"] == []


def test_a_lease_that_cannot_be_deleted_is_told_with_the_command_that_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    remove_lease("k8s-leader-demo-1")
    assert "Fix: kubectl delete lease k8s-leader-demo-1" in capsys.readouterr().err


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
