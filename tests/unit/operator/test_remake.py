"""
What becomes of a Lease that somebody deleted.
"""

from __future__ import annotations

from typing import Any, cast

import pytest

from k8s_leader.election.observation import Observation, Take, Wait, mint_token
from k8s_leader.errors import LeaseConflictError, LeaseForbiddenError
from k8s_leader.leases.kubernetes import LeaseApi, parse
from k8s_leader.operator.remake import Remaker, made_again
from tests.unit.operator.objects import HOLDER, lease


class Api:
    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.made: list[dict[str, Any]] = []

    async def create(
        self, namespace: str, body: dict[str, Any], *, timeout: float
    ) -> dict[str, Any]:
        self.made.append(body)
        if self.failures:
            raise self.failures.pop(0)
        return body


async def deleted(body: dict[str, Any], *failures: Exception) -> Api:
    api = Api(*failures)
    await Remaker(cast("LeaseApi", api)).lease_deleted(body)
    return api


@pytest.mark.parametrize("wish", [None, "", "false", "yes", "True"])
async def test_nobody_asked(wish: str | None) -> None:
    assert not (await deleted(lease(remake=wish))).made


async def test_on_request_it_is_made_again_and_asks_again() -> None:
    (made,) = (await deleted(lease(remake="true"))).made
    assert made["metadata"]["name"] == "reports"
    assert "uid" not in made["metadata"]
    assert "resourceVersion" not in made["metadata"]
    assert made["metadata"]["annotations"]["k8s-leader.io/remake"] == "true"
    assert "k8s-leader.io/pod" not in made["metadata"]["annotations"]


def seen_anew(body: dict[str, Any]) -> Observation:
    body["metadata"] |= {"uid": "another", "resourceVersion": "7"}
    return Observation(own_duration=4.0).observe(parse(body), at=100.0)


def test_a_newcomer_waits_for_the_leader_that_may_still_work() -> None:
    seen = seen_anew(made_again(lease()))
    verdict = seen.decide(identity="new", mine=None, now=110.0)
    assert isinstance(verdict, Wait)
    assert (verdict.holder, verdict.until) == (HOLDER, 115.0)  # of its 15 s, not our 4
    assert isinstance(seen.decide(identity="new", mine=None, now=115.0), Take)


def test_after_a_release_nobody_waits() -> None:
    freed = lease(**{"released-by": HOLDER})
    freed["spec"]["holderIdentity"] = ""
    seen = seen_anew(made_again(freed))
    assert isinstance(seen.decide(identity="new", mine=None, now=100.0), Take)


def test_the_token_goes_on_growing() -> None:
    seen = seen_anew(made_again(lease(**{"fencing-token": "9000"})))
    assert seen.stored is not None
    assert mint_token(seen, seen.stored) == 9001


async def test_whoever_was_faster_wins_and_a_missing_right_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await deleted(lease(remake="true"), LeaseConflictError("409"))
    assert not [r for r in caplog.records if r.levelname == "WARNING"]
    await deleted(lease(remake="true"), LeaseForbiddenError("create", rule="- rule"))
    assert "- rule" in caplog.text
