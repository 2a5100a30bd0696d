"""
What doctor thinks of the facts: each defect is found, and only that one.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from k8s_leader.app.examination import Facts
from k8s_leader.app.lookout import View
from k8s_leader.cli.doctor import doctor_lines
from k8s_leader.cli.findings import Finding, findings
from k8s_leader.election.record import Record, micro_time
from k8s_leader.election.timing import Timing
from k8s_leader.kube import Right
from k8s_leader.kube.review import TokenLife, read_date, read_token
from k8s_leader.observers.cluster.candidates import Candidate
from k8s_leader.observers.cluster.names import Role

WALL = 1_800_000_000.0
HELD = Record(
    holder="a_1",
    duration=15.0,
    renew_time=micro_time(WALL - 1),
    acquire_time=micro_time(WALL - 50),
    our_holder="a_1",
    our_duration=15.0,
)
GET = Right(verb="get", namespace="prod", name="x")
CREATE = Right(verb="create", namespace="prod")
PATCH = Right(verb="patch", group="", resource="pods", namespace="prod")


def view(record: Record = HELD, **other: Any) -> View:
    return View(store="kubernetes", namespace="prod", lease="x", record=record, **other)


def facts(**other: Any) -> Facts:
    healthy: dict[str, Any] = {
        "source": "the Pod",
        "host": "https://api",
        "namespace": "prod",
        "delays": (0.02, 0.004, 0.004),
        "offset": 0.3,
        "allowed": {GET: True},
        "lease": view(),
    }
    return Facts(**{**healthy, **other})


def judged(
    found: Facts, timing: Timing | None = None, **other: Any
) -> dict[str, list[Finding]]:
    """
    Return what is not ok, by the name of the check.
    """
    options = {"may_create": True, "in_cluster": False, **other}
    result: dict[str, list[Finding]] = {}
    for one in findings(
        found, lease="x", timing=timing or Timing.derive(), wall=WALL, **options
    ):
        if one.verdict != "ok":
            result.setdefault(one.check, []).append(one)
    return result


def candidate(identity: str, role: Role) -> Candidate:
    return Candidate(
        identity=identity,
        namespace="prod",
        pod=identity[:1],
        uid="u",
        node="",
        address="",
        role=role,
        ready=True,
        leaving=False,
        version="1",
    )


def test_a_healthy_election_has_nothing_to_look_at() -> None:
    assert judged(facts()) == {}


@pytest.mark.parametrize(
    ("found", "check", "verdict", "said"),
    [
        (facts(problem="no route"), "api server", "fail", "no route"),
        (facts(delays=(0.1, 1.2)), "latency", "warn", "1200ms"),
        (facts(delays=(0.1, 3.5)), "latency", "fail", "3500ms"),
        (facts(delays=(3.5, 0.1)), "latency", "fail", "3500ms with"),
        (facts(offset=61.0), "clock", "warn", "1m1s ahead of"),
        (facts(offset=-5.0), "clock", "warn", "5.0s behind"),
        (facts(offset=None), "clock", "warn", "no date"),
        (
            facts(token=TokenLife(issued=WALL - 900, expires=WALL - 60)),
            "token",
            "fail",
            "expired 1m ago",
        ),
        (
            facts(token=TokenLife(issued=WALL - 95, expires=WALL + 5)),
            "token",
            "warn",
            "expires in 5s",
        ),
        (facts(unreviewed="403"), "rights", "warn", "403"),
        (facts(allowed={GET: False}), "right", "fail", "get leases prod/x"),
        (facts(allowed={PATCH: False}), "right", "warn", "patch pods"),
        (facts(allowed={CREATE: False}), "right", "warn", "create leases"),
        (facts(allowed={CREATE: False}, lease=None), "right", "fail", "create"),
        (facts(lease=None, lease_problem="403"), "lease", "fail", "403"),
        (
            facts(lease=view(replace(HELD, holder="other"))),
            "lease",
            "warn",
            "another elector",
        ),
        (
            facts(lease=view(replace(HELD, renew_time=micro_time(WALL - 99)))),
            "lease",
            "warn",
            "renewed 1m39s ago",
        ),
        (
            facts(lease=view(replace(HELD, strategy="OldestEmulationVersion"))),
            "lease",
            "fail",
            "a coordinator elects",
        ),
        (
            facts(lease=view(replace(HELD, our_duration=8.0))),
            "lease",
            "warn",
            "--lease-duration 8s",
        ),
        (facts(lease=view(replace(HELD, paused="true"))), "orders", "warn", "paused"),
        (facts(lease=view(replace(HELD, paused="yes!"))), "orders", "warn", "'yes!'"),
        (
            facts(lease=view(candidates=[candidate("b_1", Role.LEADER)])),
            "labels",
            "warn",
            "Pod b is labelled leader",
        ),
        (
            facts(lease=view(candidates=[candidate("a_1", Role.STANDBY)])),
            "labels",
            "warn",
            "Pod a is labelled standby",
        ),
        (facts(pod_problem="409"), "pod", "warn", "409"),
        (
            facts(pod={"spec": {"terminationGracePeriodSeconds": 10}}),
            "pod",
            "warn",
            "killed after 10.0s",
        ),
    ],
)
def test_each_defect_is_found_with_its_fix_and_nothing_else_is(
    found: Facts, check: str, verdict: str, said: str
) -> None:
    ((name, (one,)),) = judged(found).items()
    assert (name, one.verdict) == (check, verdict)
    assert said in one.says
    assert one.fix


def test_a_missing_lease_fails_only_where_nobody_makes_it() -> None:
    assert judged(facts(lease=None)) == {}
    (one,) = judged(facts(lease=None), may_create=False)["lease"]
    assert "kubectl create -f -" in one.fix


def test_in_a_pod_the_downward_api_is_missed() -> None:
    (one,) = judged(facts(), in_cluster=True)["pod"]
    assert "POD_UID" in one.says


def test_a_margin_that_breaks_the_promise_is_found_without_a_cluster() -> None:
    found = judged(facts(problem="x"), Timing.derive(safety_margin=0.2))
    assert found["timing"][0].verdict == "warn"


def test_a_missing_right_is_printed_as_the_rule_to_add() -> None:
    (one,) = judged(facts(allowed={PATCH: False}))["right"]
    assert '\n  resources: ["pods"]' in one.fix
    lines = doctor_lines([one])
    assert lines[0].startswith("warn  right")
    assert "\x1b" not in "".join(lines)
    assert "\x1b[33m" in doctor_lines([one], colour=True)[0]
    assert lines[-1] == "0 ok, 1 to look at, 0 failed"


def jwt(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer header.{body}.signature"


def test_the_times_of_a_token_are_read_and_nothing_else() -> None:
    life = read_token(jwt({"iat": 1, "exp": 3601, "sub": "secret"}))
    assert life == TokenLife(issued=1.0, expires=3601.0)
    for odd in (None, "", "Bearer opaque", jwt([]), jwt({"iat": "x"}), "a.%%%.c"):
        assert read_token(odd) is None


def test_the_servers_date_is_read_in_any_spelling() -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert read_date({"date": date}) == read_date({"Date": date}) == 784111777.5
    assert read_date({}) is None
    assert read_date({"Date": "soon"}) is None
