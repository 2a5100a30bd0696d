"""
`k8s-leader status` against Leases on a real API server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8s_leader.cli import main
from k8s_leader.guard.descent import state
from tests.helpers.candidate import Candidate, Journal, wait_until
from tests.helpers.cluster import LEASE_RULES, ApiServer
from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.kube


@pytest.fixture
def kubeconfig(
    api_server: ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> str:
    path = str(api_server.kubeconfig(namespace=namespace))
    monkeypatch.setenv("KUBECONFIG", path)
    return path


@pytest.fixture
def leader(kubeconfig: str, tmp_path: Path, lifeline: Lifeline) -> Iterator[Candidate]:
    journal = Journal(tmp_path / "journal")
    with Candidate("reports", journal, name="a", lifeline=lifeline) as candidate:
        wait_until(lambda: candidate.leads(journal), why="it leads")
        yield candidate


def test_it_says_who_leads_and_waits_until_that_one_renews(
    leader: Candidate, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--lease", "reports", "--expect-leader"]) == 0
    line = capsys.readouterr().out
    assert re.match(rf"{namespace}/reports: led by a_[-0-9a-f]+ since 20.*Z", line)


def test_a_holder_that_does_not_renew_is_no_leader(
    leader: Candidate, capsys: pytest.CaptureFixture[str]
) -> None:
    elector = leader.elector
    assert elector is not None
    leader.send(9)
    leader.wait()
    # It renews as long as it buries what its guard left behind.
    wait_until(lambda: state(elector) in ("", "Z"), why="its elector ends, too")
    words = ["status", "--lease", "reports", "--expect-leader", "--max-age", "1s"]
    assert main(words) == 75
    assert "no leader was seen to renew within 1s" in capsys.readouterr().out


def test_a_lease_that_nobody_holds_or_made_is_told(
    api_server: ApiServer,
    namespace: str,
    kubeconfig: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["status", "--lease", "reports"]) == 66
    assert "there is no Lease" in capsys.readouterr().err
    body = {"metadata": {"name": "reports"}}
    api_server.request("POST", api_server.lease_path(namespace), body)
    assert main(["status", "--lease", "reports"]) == 0
    assert "nobody leads" in capsys.readouterr().out


def test_without_the_right_to_look_the_rule_to_add_is_printed(
    api_server: ApiServer,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rules = [{**LEASE_RULES[0], "resourceNames": ["another"]}]
    token = api_server.service_account(namespace, "blind", rules=rules)
    path = api_server.kubeconfig(token, namespace=namespace)
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert main(["status", "--lease", "reports"]) == 77
    assert "get" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lease", "memory:"], "[NAMESPACE/]NAME or sqlite:PATH"),
        (["a", "--lease", "b"], "two leases are named"),
        (["a", "b"], "'b' is no flag"),
        (["--lease", "x", "--max-age", "soon", "--expect-leader"], "--max-age 15s"),
        ([], "name the lease with --lease NAME"),
        (["--lease", "x", "--expect-leadr"], "there is no flag --expect-leadr"),
    ],
)
def test_wrong_input_is_one_line_and_78(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", *words]) == 78
    assert said in capsys.readouterr().err
