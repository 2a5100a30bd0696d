"""
`status`, `list`, `watch` and `history` with real candidates on a real API server.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_leader.cli import main
from tests.helpers.candidate import Candidate, wait_until
from tests.helpers.cluster import LEASE_RULES
from tests.helpers.site import LIST_PODS, Site
from tests.helpers.tcp_proxy import TcpProxy
from tests.integration.cli.conftest import Running

pytestmark = [pytest.mark.kube, pytest.mark.slow]

Pair = tuple[Candidate, Candidate]
Said = pytest.CaptureFixture[str]


def document(said: Said, *words: str) -> Any:
    assert main([*words, "-o", "json"]) == 0
    return json.loads(said.readouterr().out)


def test_status_shows_the_leader_first_and_every_standby(
    pair: Pair, site: Site, capsys: Said
) -> None:
    assert main(["status", "reports"]) == 0
    text = capsys.readouterr().out
    rows = [line.split() for line in text.splitlines() if line]
    roles = [row[:2] for row in rows if row[0] in {"leader", "standby"}]
    assert roles == [["leader", "a"], ["standby", "b"]]
    assert text.startswith(f"{site.namespace}/reports: led by a_")
    assert "last change: " in text
    assert "\x1b" not in text


def test_status_for_scripts_agrees_with_the_lease(
    pair: Pair, site: Site, capsys: Said
) -> None:
    found = document(capsys, "status", "reports")
    spec = site.lease()["spec"]
    assert found["holder"] == spec["holderIdentity"]
    assert found["term"] == spec["leaseTransitions"]
    assert found["owner"] == "ours"
    assert 0 < found["seconds_left"] <= found["lease_duration"]
    by_pod = {one["pod"]: one for one in found["candidates"]}
    assert by_pod["a"]["role"] == "leader"
    assert by_pod["a"]["identity"] == found["holder"]
    assert by_pod["b"]["role"] == "standby"
    assert main(["status", "reports", "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["holder"] == found["holder"]


def test_without_the_right_to_list_pods_the_leader_is_shown_and_the_rule_told(
    pair: Pair, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    token = site.api.service_account(site.namespace, "reader", rules=LEASE_RULES)
    path = site.api.kubeconfig(token, namespace=site.namespace)
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert main(["status", "reports"]) == 0
    out, err = capsys.readouterr()
    assert "leader  a " in out
    assert "standbys are not shown" in err
    assert 'resources: ["pods"]' in err


def test_a_watched_status_tells_a_hand_over_line_by_line(
    pair: Pair, site: Site, running: list[Running]
) -> None:
    running.append(Running("status", "reports", "-w"))
    assert "led by a_" in running[0].line()
    assert pair[0].stop() == 0
    for line in iter(running[0].line, ""):
        if "led by b_" in line:
            break
    assert running[0].interrupt() == 130


def test_list_tells_our_leases_from_foreign_ones_and_counts_candidates(
    pair: Pair, site: Site, capsys: Said
) -> None:
    path = site.api.lease_path(site.namespace)
    spec = {"holderIdentity": "other", "leaseDurationSeconds": 15}
    body: dict[str, Any] = {"metadata": {"name": "foreign"}, "spec": spec}
    site.api.request("POST", path, body)
    rows = {row["lease"]: row for row in document(capsys, "list")}
    assert rows["reports"]["owner"] == "ours"
    assert rows["reports"]["candidates"] == 2
    assert rows["foreign"]["owner"] == "foreign"
    assert rows["foreign"]["candidates"] == 0
    assert [row["lease"] for row in document(capsys, "list", "--ours")] == ["reports"]
    everywhere = document(capsys, "list", "-A")
    assert {"reports", "foreign"} <= {row["lease"] for row in everywhere}
    assert main(["list"]) == 0
    assert "NAMESPACE" in capsys.readouterr().out


def test_history_tells_who_led_and_why_it_ended(
    pair: Pair, site: Site, capsys: Said
) -> None:
    assert pair[0].stop() == 0
    wait_until(lambda: site.role("b") == "leader", why="b leads")
    found = document(capsys, "history", "reports")
    told = [(one["who"][:2], one["what"]) for one in found]
    assert told == [("a_", "acquired"), ("a_", "released"), ("b_", "acquired")]
    assert all(one["why"] for one in found)
    assert main(["history", "reports"]) == 0
    assert "WHY" in capsys.readouterr().out


def test_watch_prints_a_line_per_change_with_its_reason(
    pair: Pair, site: Site, running: list[Running]
) -> None:
    running.append(Running("watch", "reports", "-o", "json"))
    first = json.loads(running[0].line())
    assert (first["what"], first["who"][:2]) == ("led", "a_")
    assert pair[0].stop() == 0
    released, acquired = (json.loads(running[0].line()) for _ in range(2))
    assert (released["what"], released["who"][:2]) == ("released", "a_")
    assert released["why"]
    assert (acquired["what"], acquired["who"][:2]) == ("acquired", "b_")
    assert acquired["why"].startswith("a_")


@pytest.mark.parametrize("command", [("watch",), ("status", "-w")])
def test_ctrl_c_ends_also_what_hangs_in_a_request(
    command: tuple[str, ...], site: Site, running: list[Running]
) -> None:
    with TcpProxy.before(site.api.url) as proxy:
        path = site.api.kubeconfig(namespace=site.namespace, server=proxy.url)
        with site.candidate("a"):
            wait_until(lambda: site.role("a") == "leader", why="a leads")
            one = Running(*command, "reports", "--kubeconfig", str(path))
            running.append(one)
            assert one.line()
            proxy.black_hole()
            assert one.interrupt() == 130


def test_watch_says_when_the_leader_falls_silent(
    site: Site, running: list[Running]
) -> None:
    with site.candidate("a") as a:
        wait_until(lambda: site.role("a") == "leader", why="a leads")
        running.append(Running("watch", "reports"))
        assert " led " in running[0].line()
        a.send(9)
        a.wait()
        assert " silent " in running[0].line()


@pytest.mark.parametrize("command", ["status", "history", "watch"])
def test_an_unknown_lease_is_one_clear_error(
    command: str, site: Site, capsys: Said
) -> None:
    assert main([command, "nope"]) == 66
    assert f"there is no Lease {site.namespace}/nope" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "verb"),
    [("status", "get"), ("history", "get"), ("watch", "get"), ("list", "list")],
)
def test_a_missing_right_is_told_with_the_rule_to_add(
    command: str, verb: str, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    token = site.api.service_account(site.namespace, "blind", rules=[LIST_PODS])
    path = site.api.kubeconfig(token, namespace=site.namespace)
    monkeypatch.setenv("KUBECONFIG", str(path))
    words = [command] if command == "list" else [command, "reports"]
    assert main(words) == 77
    err = capsys.readouterr().err
    assert 'resources: ["leases"]' in err
    assert f'"{verb}"' in err


def test_a_file_that_is_no_lease_stays_as_it_is(tmp_path: Path, capsys: Said) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    for command in ("status", "watch", "history"):
        assert main([command, f"sqlite:{path}"]) == 66
        assert f"there is no lease in {path}" in capsys.readouterr().err
    assert path.read_bytes() == before
    missing = tmp_path / "missing.db"
    assert main(["status", f"sqlite:{missing}"]) == 66
    assert not missing.exists()
