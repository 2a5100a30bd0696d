"""
What answers mean, and how missing rights are told.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from k8s_leader.errors import (
    LeaseConflictError,
    LeaseError,
    LeaseForbiddenError,
    LeaseMalformedError,
    LeaseNotFoundError,
    LeaseUnauthorizedError,
    LeaseUnavailableError,
)
from k8s_leader.kube.answers import Answer, Right, parse, parse_retry_after

RIGHT = Right(verb="get", namespace="ns", name="a")


def status(code: int, reason: str = "", message: str = "m", **details: Any) -> Answer:
    body = {
        "kind": "Status",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }
    return Answer(status=code, headers={}, body=json.dumps(body).encode())


def error(answer: Answer) -> LeaseError:
    with pytest.raises(LeaseError) as caught:
        parse(answer, right=RIGHT, wall=0.0)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(401), LeaseUnauthorizedError),
        (status(403), LeaseForbiddenError),
        (status(404, "NotFound", name="a"), LeaseNotFoundError),
        (status(404, "NotFound"), LeaseUnavailableError),
        (status(404, "Other", name="a"), LeaseUnavailableError),
        (status(409, "Conflict"), LeaseConflictError),
        (status(409, "AlreadyExists"), LeaseConflictError),
        (status(400), LeaseMalformedError),
        (status(422), LeaseMalformedError),
        (status(410), LeaseUnavailableError),
        (status(302), LeaseUnavailableError),
        (status(500), LeaseUnavailableError),
        (status(100), LeaseUnavailableError),
    ],
)
def test_each_status_has_one_meaning(answer: Answer, kind: type[LeaseError]) -> None:
    found = error(answer)
    assert type(found) is kind
    assert "get leases ns/a" in str(found)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[1]", b'"x"', b"[" * 100_000, b"9" * 5000]
)
def test_what_is_no_object_is_malformed_or_an_outage(body: bytes) -> None:
    good = Answer(status=200, headers={}, body=body)
    assert isinstance(error(good), LeaseMalformedError)
    bad = Answer(status=500, headers={}, body=body)
    assert "not from Kubernetes" in str(error(bad))


def test_a_403_that_is_not_from_kubernetes_names_the_rule_too() -> None:
    found = error(Answer(status=403, headers={}, body=b"forbidden"))
    assert isinstance(found, LeaseForbiddenError)
    assert found.rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("-7", None),
        ("1.5", None),
        ("nan", None),
        ("soon", None),
        ("9" * 400, 999_999_999.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:01 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    text: str | None, expected: float | None
) -> None:
    assert parse_retry_after(text, wall=10.0) == expected


@pytest.mark.parametrize("verb", ["get", "update", "list", "watch"])
def test_one_rule_grants_all_that_is_limited_to_the_name(verb: str) -> None:
    rule = Right(verb=verb, namespace="ns", name="a").rule()
    assert yaml.safe_load(rule) == [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["a"],
            "verbs": ["get", "update", "list", "watch"],
        }
    ]


def test_creation_is_not_limited_to_a_name() -> None:
    rule = Right(verb="create", namespace="ns", name="a").rule()
    assert yaml.safe_load(rule) == [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["create"],
        }
    ]


def test_other_resources_get_the_one_verb_they_need() -> None:
    right = Right(verb="patch", group="", resource="pods", namespace="ns")
    assert str(right) == "patch pods ns"
    assert yaml.safe_load(right.rule()) == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]}
    ]
