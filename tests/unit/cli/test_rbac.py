"""
``rbac``: the Roles that it prints, and that they say what the errors say.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from k8s_leader.app.rights import Needs, rules
from k8s_leader.cli import main

Said = pytest.CaptureFixture[str]
NOWHERE = {"KUBECONFIG": "/dev/null", "HOME": "/nowhere"}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)


def printed(said: Said, *words: str) -> list[dict[str, Any]]:
    assert main(["rbac", *words]) == 0
    return list(yaml.safe_load_all(said.readouterr().out))


def rights_of(objects: list[dict[str, Any]]) -> set[str]:
    return {
        f"{verb} {rule['resources'][0]}/{rule.get('resourceNames', ['*'])[0]}"
        for body in objects
        if body["kind"] == "Role"
        for rule in body["rules"]
        for verb in rule["verbs"]
    }


LEASE = {f"{verb} leases/x" for verb in ("get", "list", "watch", "update")}


@pytest.mark.parametrize(
    ("flags", "more"),
    [
        ((), {"create leases/*", "patch pods/*", "create events/*"}),
        (("--no-lease-create",), {"patch pods/*", "create events/*"}),
        (
            ("--no-lease-create", "--no-events", "--no-pod-label"),
            {"patch pods/*"},  # the deletion cost is a mark, too
        ),
        (
            (
                *("--no-lease-create", "--no-events", "--no-pod-label"),
                *("--pod-deletion-cost", "0"),
            ),
            set(),
        ),
    ],
)
def test_a_candidate_gets_the_rights_of_what_is_switched_on(
    flags: tuple[str, ...], more: set[str], capsys: Said
) -> None:
    assert rights_of(printed(capsys, "x", *flags)) == LEASE | more


def test_viewers_only_read_and_managers_may_update(capsys: Said) -> None:
    everything = rights_of(printed(capsys, "--for", "viewer"))
    assert everything == {
        *("get leases/*", "list leases/*", "watch leases/*", "list pods/*")
    }
    assert rights_of(printed(capsys, "x", "--for", "manager")) == LEASE | {
        "list pods/*"
    }


def test_where_the_pods_live_elsewhere_there_are_two_roles(capsys: Said) -> None:
    made = printed(capsys, "there/x", "--pod-namespace", "here", "--no-lease-create")
    by_namespace = {
        namespace: [o for o in made if o["metadata"]["namespace"] == namespace]
        for namespace in ("there", "here")
    }
    assert rights_of(by_namespace["there"]) == LEASE | {"create events/*"}
    assert rights_of(by_namespace["here"]) == {"patch pods/*", "create events/*"}
    bindings = [o for o in made if o["kind"] == "RoleBinding"]
    assert {o["subjects"][0]["namespace"] for o in bindings} == {"here"}


@pytest.mark.parametrize("kind", ["User", "Group"])
def test_people_are_bound_by_name(kind: str, capsys: Said) -> None:
    words = ("x", "--for", "manager", f"--{kind.lower()}", "dev", "-o", "json")
    assert main(["rbac", *words]) == 0
    made = json.loads(capsys.readouterr().out)
    (subject,) = made["items"][1]["subjects"]
    assert (subject["kind"], subject["name"]) == (kind, "dev")


def test_each_rule_is_the_one_that_a_403_asks_for() -> None:
    for rule in rules(Needs(job="candidate", lease="x")):
        for right in rule.rights("ns"):
            (asked,) = yaml.safe_load(right.rule())
            ours = rule.document()
            assert asked["resources"] == ours["resources"]
            assert asked["apiGroups"] == ours["apiGroups"]
            assert asked.get("resourceNames") == ours.get("resourceNames")
            assert right.verb in asked["verbs"]
            assert set(asked["verbs"]) <= set(ours["verbs"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "LEASE is missing"),
        (("sqlite:/tmp/x.db",), "only Kubernetes asks for rights"),
        (("x", "--for", "king"), "invalid choice"),
        (("x", "--serviceaccount", "a/b"), "--pod-namespace"),
        (("x", "--user", "a", "--group", "b"), "not allowed with"),
    ],
)
def test_wrong_input_is_one_line_and_78(
    words: tuple[str, ...], said: str, capsys: Said
) -> None:
    assert main(["rbac", *words]) == 78
    assert said in capsys.readouterr().err
