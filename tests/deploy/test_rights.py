"""
The rights of the chart are enough for a real candidate, and no more than it needs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_leader.cli import main
from tests.helpers.candidate import Candidate, Journal, wait_until
from tests.helpers.cluster import ApiServer
from tests.helpers.helm import MINIMAL, Helm, Manifest, merged, only
from tests.helpers.lifeline import Lifeline
from tests.helpers.objects import apply

pytestmark = [pytest.mark.helm, pytest.mark.kube]

LEASES = "coordination.k8s.io"
APPLIED = {"ServiceAccount", "Role", "RoleBinding", "Lease"}
QUICK = {"leaseDuration": "4s", "safetyMargin": "0.5s", "stopTimeout": "2s"}


def rules_of(objects: list[Manifest]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = only(objects, "Role")["rules"]
    return rules


def rights(objects: list[Manifest]) -> set[str]:
    """
    Flatten all rules to ``verb resource/name``.
    """
    return {
        f"{verb} {resource}/{name}"
        for body in objects
        if body["kind"] == "Role"
        for rule in body["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ["*"])
    }


LEASE_RIGHTS = {f"{verb} leases/demo" for verb in ("get", "list", "watch", "update")}
POD_RIGHTS = {"patch pods/*", "create events/*"}
PLAIN = merged(MINIMAL, {"fullnameOverride": "demo"})


def _name(value: object) -> str:
    """
    Name sets alike in every process: xdist's workers compare what they collected.
    """
    return ", ".join(sorted(value)) if isinstance(value, set) else str(value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, LEASE_RIGHTS | POD_RIGHTS),
        (
            {"lease": {"owner": "candidates"}},
            LEASE_RIGHTS | POD_RIGHTS | {"create leases/*"},
        ),
        ({"lease": {"owner": "administrator"}}, LEASE_RIGHTS | POD_RIGHTS),
        ({"cluster": {"podLabel": False}}, LEASE_RIGHTS | {"create events/*"}),
        ({"cluster": {"events": False}}, LEASE_RIGHTS | {"patch pods/*"}),
        ({"cluster": {"podLabel": False, "events": False}}, LEASE_RIGHTS),
        ({"rbac": {"create": False}}, set()),
    ],
    ids=_name,
)
def test_the_role_has_exactly_the_rights_of_what_is_switched_on(
    helm4: Helm, values: dict[str, Any], expected: set[str]
) -> None:
    assert rights(helm4.template(merged(PLAIN, values))) == expected


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"lease": {"owner": "candidates"}},
        {"lease": {"namespace": "leases"}},
        {"cluster": {"podLabel": False}},
        {"cluster": {"events": False}},
    ],
    ids=str,
)
def test_the_command_line_prints_the_rules_of_the_chart(
    helm4: Helm,
    values: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    objects = helm4.template(merged(PLAIN, values))
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    for entry in pod["containers"][0]["env"]:
        if entry["name"].startswith("K8S_LEADER_"):
            monkeypatch.setenv(entry["name"], entry["value"])
    monkeypatch.setenv("KUBECONFIG", "/dev/null")
    assert main(["rbac", "--pod-namespace", "default"]) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))

    def by_namespace(bodies: list[Manifest]) -> dict[str, set[str]]:
        roles = [body for body in bodies if body["kind"] == "Role"]
        return {body["metadata"]["namespace"]: rights([body]) for body in roles}

    assert by_namespace(printed) == by_namespace(objects)


def test_nothing_of_the_chart_reaches_beyond_its_namespaces(helm4: Helm) -> None:
    kinds = {body["kind"] for body in helm4.template(PLAIN)}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}


def test_elsewhere_a_candidate_may_touch_nothing_but_the_lease_and_its_events(
    helm4: Helm,
) -> None:
    values = merged(PLAIN, {"lease": {"namespace": "leases"}})
    roles = [o for o in helm4.template(values) if o["kind"] == "Role"]
    there = [o for o in roles if o["metadata"]["namespace"] == "leases"]
    assert rights(there) == LEASE_RIGHTS | {"create events/*"}
    assert rights([o for o in roles if o not in there]) == POD_RIGHTS
    bindings = [o for o in helm4.template(values) if o["kind"] == "RoleBinding"]
    assert {o["subjects"][0]["namespace"] for o in bindings} == {"default"}


def deployed(
    helm: Helm, server: ApiServer, namespace: str, values: dict[str, Any]
) -> dict[str, str]:
    """
    Apply what a candidate needs; return the environment that its Pod would have.
    """
    objects = helm.template(values, "--namespace", namespace)
    for body in objects:
        if body["kind"] in APPLIED:
            apply(server, body)
    spec = only(objects, "Deployment")["spec"]["template"]["spec"]
    env = spec["containers"][0]["env"]
    environ = {entry["name"]: entry["value"] for entry in env if "value" in entry}
    wait_until(lambda: may(server, namespace, "get"), why="the Role is effective")
    token = server.token(namespace, spec["serviceAccountName"])
    environ["KUBECONFIG"] = str(server.kubeconfig(token, namespace=namespace))
    environ["POD_NAMESPACE"] = namespace
    return environ


def may(server: ApiServer, namespace: str, verb: str) -> bool:
    """
    Tell what the API server grants on the Lease by now: it sees a Role a moment late.
    """
    attributes = {
        "namespace": namespace,
        "verb": verb,
        "group": LEASES,
        "resource": "leases",
        "name": "demo",
    }
    user = f"system:serviceaccount:{namespace}:demo"
    review = {"spec": {"user": user, "resourceAttributes": attributes}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(server.request("POST", path, review)["status"]["allowed"])


Start = Callable[[str, dict[str, str]], Candidate]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture
def start(journal: Journal, lifeline: Lifeline) -> Start:
    """
    Starts a candidate by name in the environment of a Pod, with nothing besides.
    """

    def candidate(name: str, environ: dict[str, str]) -> Candidate:
        lease = environ["K8S_LEADER_LEASE"]
        return Candidate(
            lease,
            journal,
            name=name,
            lifeline=lifeline,
            flags=("--http", ":0"),  # several share this machine
            environ=environ,
        )

    return candidate


@pytest.mark.parametrize("owner", ["chart", "candidates"])
def test_two_candidates_hand_over_under_the_rights_of_the_chart(
    helm4: Helm, api_server: ApiServer, journal: Journal, start: Start, owner: str
) -> None:
    namespace = api_server.create_namespace()
    values = merged(PLAIN, {"timing": QUICK, "lease": {"owner": owner}})
    environ = deployed(helm4, api_server, namespace, values)
    with start("first", environ) as first:
        wait_until(lambda: first.leads(journal), why="the first leads")
        with start("second", environ) as second:
            wait_until(lambda: "the leader is" in second.text(), why="it waits")
            assert first.stop() == 0
            wait_until(lambda: second.leads(journal), why="the second leads")
            assert second.stop() == 0
            assert "forbidden" not in (first.text() + second.text()).lower()
    assert journal.most_at_once() == 1


def test_the_leader_service_finds_the_pod_of_the_leader(
    helm4: Helm, api_server: ApiServer, namespace: str, journal: Journal, start: Start
) -> None:
    leader = {"mode": "label", "ports": [{"port": 80}]}
    values = merged(PLAIN, {"timing": QUICK, "service": {"leader": leader}})
    environ = deployed(helm4, api_server, namespace, values)
    objects = helm4.template(values, "--namespace", namespace)
    template = only(objects, "Deployment")["spec"]["template"]
    path = f"/api/v1/namespaces/{namespace}/pods"
    pod = {**template, "metadata": {**template["metadata"], "name": "candidate"}}
    made = api_server.request("POST", path, pod)
    environ |= {"POD_NAME": "candidate", "POD_UID": made["metadata"]["uid"]}

    def metadata() -> dict[str, Any]:
        found = api_server.request("GET", f"{path}/candidate")["metadata"]
        return {"annotations": {}, **found}

    selector = only(objects, "Service")["spec"]["selector"].items()
    assert not selector <= metadata()["labels"].items()
    with start("a", environ) as candidate:
        wait_until(lambda: selector <= metadata()["labels"].items(), why="it is found")
        cost = metadata()["annotations"]["controller.kubernetes.io/pod-deletion-cost"]
        assert cost == "1000"
        wait_until(lambda: candidate.leads(journal), why="it handles signals")
        assert candidate.stop() == 0
        assert "forbid" not in candidate.text().lower()
    assert not selector <= metadata()["labels"].items()


@pytest.mark.parametrize("verb", ["get", "list", "watch", "update"])
def test_without_any_one_right_on_the_lease_a_candidate_complains(
    helm4: Helm, api_server: ApiServer, namespace: str, start: Start, verb: str
) -> None:
    values = merged(PLAIN, {"timing": QUICK})
    environ = deployed(helm4, api_server, namespace, values)
    role = only(helm4.template(values, "--namespace", namespace), "Role")
    (rule,) = [rule for rule in role["rules"] if "get" in rule["verbs"]]
    rule["verbs"].remove(verb)
    apply(api_server, role)
    wait_until(lambda: not may(api_server, namespace, verb), why="it is taken away")
    with start("a", environ) as candidate:
        wait_until(lambda: "forbid" in candidate.text().lower(), why="it says so")


def test_in_the_wrong_namespace_a_candidate_names_it_and_the_missing_rule(
    helm4: Helm, api_server: ApiServer, namespace: str, journal: Journal, start: Start
) -> None:
    values = merged(PLAIN, {"timing": QUICK})
    environ = deployed(helm4, api_server, namespace, values)
    elsewhere = api_server.create_namespace()
    wrong = environ | {"K8S_LEADER_LEASE": f"{elsewhere}/demo"}
    with start("a", wrong) as candidate:
        assert candidate.wait() == 77
        said = candidate.text()
        assert re.search(r'cannot (get|list|watch) resource "leases"', said)
        assert f'in the namespace "{elsewhere}"' in said
        assert "Add this rule to the Role" in said
        assert not journal.entries()


def run_the_fix(text: str, server: ApiServer, namespace: str) -> None:
    """
    Do what the line that was logged tells a person to do, with no kubectl at hand.
    """
    (body,) = set(re.findall(r"echo '(.*)' \| kubectl create -f -", text))
    path = server.lease_path(namespace)
    server.request("POST", path, json.loads(body))


def test_without_the_lease_of_the_chart_a_candidate_waits_and_makes_none(
    helm4: Helm, api_server: ApiServer, namespace: str, journal: Journal, start: Start
) -> None:
    values = merged(PLAIN, {"timing": QUICK})
    environ = deployed(helm4, api_server, namespace, values)
    path = api_server.lease_path(namespace, "demo")
    api_server.request("DELETE", path)
    with start("a", environ) as candidate:
        wait_until(lambda: "kubectl create" in candidate.text(), why="it says so")
        assert api_server.lease(namespace, "demo") is None
        run_the_fix(candidate.text(), api_server, namespace)
        wait_until(lambda: candidate.leads(journal), why="the repaired Lease is taken")


def test_what_helm_test_runs_tells_a_leader_from_none(
    helm4: Helm, api_server: ApiServer, namespace: str, journal: Journal, start: Start
) -> None:
    values = merged(PLAIN, {"timing": QUICK})
    environ = deployed(helm4, api_server, namespace, values)
    pod = only(helm4.template(values, "--namespace", namespace), "Pod")
    (container,) = pod["spec"]["containers"]
    program, command = container["command"]
    assert (program, command) == ("k8s-leader", "status")
    words = [sys.executable, "-m", "k8s_leader", command, *container["args"]]

    def verdict() -> int:
        env = {**os.environ, **environ}
        return subprocess.run(words, env=env, check=False, timeout=60).returncode

    assert verdict() == 75
    with start("a", environ) as candidate:
        wait_until(lambda: candidate.leads(journal), why="it leads")
        assert verdict() == 0
