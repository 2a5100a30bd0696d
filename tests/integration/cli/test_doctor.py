"""
`doctor` and `rbac` against a real API server and its authorizer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from k8s_leader.cli import main
from tests.helpers.candidate import Candidate, wait_until
from tests.helpers.cluster import LEASE_RULES
from tests.helpers.objects import apply
from tests.helpers.site import EVENTS, PATCH_PODS, Site

pytestmark = [pytest.mark.kube, pytest.mark.slow]

Pair = tuple[Candidate, Candidate]
Said = pytest.CaptureFixture[str]

LONG = ("--lease-duration", "60s", "--stop-timeout", "2s")
"""The shorter a lease, the sooner a busy machine's answers are slow for it."""


@pytest.fixture
def pair(site: Site) -> Iterator[Pair]:
    """
    The leader ``a`` and the standby ``b``, with the timings that are examined.
    """
    with site.candidate("a", *LONG) as a:
        wait_until(lambda: site.role("a") == "leader", why="a leads")
        with site.candidate("b", *LONG) as b:
            wait_until(lambda: site.role("b") == "standby", why="b waits")
            yield a, b


def use(site: Site, monkeypatch: pytest.MonkeyPatch, account: str, *rules: Any) -> None:
    token = site.api.service_account(site.namespace, account, rules=list(rules))
    path = site.api.kubeconfig(token, namespace=site.namespace)
    monkeypatch.setenv("KUBECONFIG", str(path))


def examined(said: Said, *words: str, status: int) -> dict[str, list[dict[str, str]]]:
    assert main(["doctor", "reports", *LONG, *words, "-o", "json"]) == status
    result: dict[str, list[dict[str, str]]] = {}
    for one in json.loads(said.readouterr().out):
        result.setdefault(one["verdict"], []).append(one)
    return result


def test_a_candidate_with_its_rights_and_its_pod_is_healthy(
    pair: Pair, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    use(site, monkeypatch, "whole", *LEASE_RULES, PATCH_PODS, EVENTS)
    uid = site.pod("a")["uid"]
    version = site.pod("a")["resourceVersion"]
    variables = {"NAME": "a", "NAMESPACE": site.namespace, "UID": uid}
    for name, value in variables.items():
        monkeypatch.setenv(f"POD_{name}", value)
    found = examined(capsys, "--safety-margin", "0.5s", status=0)
    # The tests' margin is shorter than the promise wants: that is told, and no more.
    assert [one["check"] for one in found.pop("warn")] == ["timing"]
    assert {"token", "pod", "clock", "latency"} <= {x["check"] for x in found.pop("ok")}
    assert found == {}
    assert site.pod("a")["resourceVersion"] == version


def test_labels_are_compared_by_whoever_may_list_pods(
    pair: Pair, site: Site, capsys: Said
) -> None:
    path = f"{site.pods}/b"
    patch = {"metadata": {"labels": {"k8s-leader.io/role": "leader"}}}
    site.api.patch(path, patch)
    found = examined(capsys, "--safety-margin", "0.5s", status=0)
    (one,) = [one for one in found["warn"] if one["check"] == "labels"]
    assert "Pod b is labelled leader" in one["says"]


def test_each_missing_right_is_found_with_its_rule_and_fails(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    reading = {**LEASE_RULES[0], "verbs": ["get", "list"]}
    use(site, monkeypatch, "reader", reading)
    found = examined(capsys, status=1)
    failed = {one["says"].split(" ")[0] for one in found["fail"]}
    assert failed == {"watch", "update", "create"}
    assert {one["says"].split(" ")[1] for one in found["warn"]} == {"pods", "events"}
    assert all("resources:" in one["fix"] for one in found["fail"])


def test_what_rbac_prints_is_what_doctor_wants(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    assert main(["rbac", "reports", "--serviceaccount", "made", "-o", "json"]) == 0
    for body in json.loads(capsys.readouterr().out)["items"]:
        apply(site.api, body)
    use(site, monkeypatch, "made")
    found = examined(capsys, status=0)
    assert set(found) == {"ok"}


def test_nobody_there_is_one_failure_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, site: Site, capsys: Said
) -> None:
    path = site.api.kubeconfig(server="https://127.0.0.1:1")
    monkeypatch.setenv("KUBECONFIG", str(path))
    found = examined(capsys, status=1)
    (one,) = found["fail"]
    assert one["check"] == "api server"
    assert "127.0.0.1:1 [" in one["says"]  # and no object of Python's


def test_a_refused_token_is_told(
    monkeypatch: pytest.MonkeyPatch, site: Site, capsys: Said
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(site.api.kubeconfig("not-a-token")))
    found = examined(capsys, status=1)
    (one,) = found["fail"]
    assert "401" in one["says"]
    assert "not-a-token" not in str(found)
