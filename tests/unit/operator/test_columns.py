"""
Which notes the operator writes on a Lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, cast

import pytest

from k8s_leader.errors import LeaseConflictError
from k8s_leader.leases.kubernetes import LeaseApi, parse
from k8s_leader.operator import columns as module
from k8s_leader.operator.columns import Columns, notes_due
from k8s_leader.operator.view import ClusterView
from tests.unit.operator.objects import RUNNING, lease, pod

CANDIDATES, POD = "k8s-leader.io/candidates", "k8s-leader.io/pod"


def candidate(name: str, **status: Any) -> dict[str, Any]:
    made = pod(RUNNING)
    facts = {"identity": f"{name}_1", "lease": "shop/reports"}
    annotations = {"k8s-leader.io/candidate": json.dumps(facts)}
    made["metadata"] |= {"name": name, "annotations": annotations}
    made["status"] |= status
    return made


class Api:
    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.writes: list[dict[str, Any]] = []
        self.written = asyncio.Event()

    async def replace(
        self, namespace: str, body: dict[str, Any], *, timeout: float
    ) -> dict[str, Any]:
        self.writes.append(body)
        self.written.set()
        if self.failures:
            raise self.failures.pop(0)
        return body


def test_candidates_are_counted_and_the_holders_place_is_left() -> None:
    assert notes_due(lease(), candidates=2) == {CANDIDATES: "2"}
    assert notes_due(lease(candidates="2"), candidates=2) == {}


def test_what_another_left_behind_is_taken_away() -> None:
    foreign = lease(candidates="2", node="node-1")
    foreign["spec"]["holderIdentity"] = "client-go"
    gone = {POD: None, "k8s-leader.io/node": None}
    assert notes_due(foreign, candidates=2) == gone


async def test_a_rollout_is_one_write_that_leaves_the_record_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_SETTLE", 0.02)
    view, api = ClusterView(), Api(LeaseConflictError("409"))
    view.leases["shop", "reports"] = lease()
    columns = Columns(cast("LeaseApi", api), view=view)
    work = asyncio.create_task(columns.run())
    for name in ("a", "b", "c"):
        view.pods["shop", name] = candidate(name)
        await columns.pod_changed(("shop", name))
    await columns.pod_deleted(view.pods.pop(("shop", "a")))
    view.pods["shop", "c"] = candidate("c", phase="Failed")
    await asyncio.wait_for(api.written.wait(), 5)
    api.written.clear()
    await columns.lease_changed(lease())  # what was in our way arrives
    await asyncio.wait_for(api.written.wait(), 5)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert len(api.writes) == 2
    for body in api.writes:
        assert body["metadata"]["annotations"][CANDIDATES] == "1"
        assert parse(body).record == parse(lease()).record
        assert body["metadata"]["resourceVersion"] == "41"
