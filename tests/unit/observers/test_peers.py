"""
The list of candidates for the page of status: who looks never waits for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from k8s_leader.errors import LeaseError, LeaseForbiddenError, LeaseUnavailableError
from k8s_leader.observers.cluster.peers import Peers
from k8s_leader.testing.clock import FakeClock

POD = {
    "metadata": {
        "name": "a",
        "namespace": "apps",
        "annotations": {"k8s-leader.io/candidate": json.dumps({"identity": "a_1"})},
    }
}


class FakePods:
    """
    One candidate's Pod; counts the questions, and answers with an error if it has one.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.error: LeaseError | None = None
        self.hangs = False

    async def find(
        self, namespace: str, *, selector: str, timeout: float
    ) -> list[dict[str, Any]]:
        assert (namespace, selector) == ("apps", "k8s-leader.io/lease=x")
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return [POD]


def peers_of(pods: FakePods, clock: FakeClock) -> Peers:
    return Peers(pods, namespace="ns", lease="x", pod_namespace="apps", clock=clock)


async def look(peers: Peers) -> object:
    """
    Look from another thread, let the answer come, and look again.
    """
    await asyncio.to_thread(peers)
    for _ in range(5):
        await asyncio.sleep(0)
    return await asyncio.to_thread(peers)


async def test_nothing_is_asked_for_before_somebody_looks() -> None:
    pods = FakePods()
    peers = peers_of(pods, FakeClock())
    await asyncio.sleep(0)
    assert pods.asked == 0
    assert peers() is None
    assert await look(peers) is not None


async def test_the_answer_can_be_shown_as_json() -> None:
    found = await look(peers_of(FakePods(), FakeClock()))
    (shown,) = json.loads(json.dumps(found))
    assert shown["identity"] == "a_1"
    assert (shown["pod"], shown["role"], shown["ready"]) == ("a", "standby", False)


async def test_many_looks_are_one_question_in_ten_seconds() -> None:
    pods, clock = FakePods(), FakeClock()
    peers = peers_of(pods, clock)
    for _ in range(20):
        await look(peers)
    assert pods.asked == 1
    clock.set(now=clock.now() + 10.0)
    await look(peers)
    assert pods.asked == 2


async def test_an_outage_leaves_the_list_unknown_until_it_is_over() -> None:
    pods, clock = FakePods(), FakeClock()
    peers = peers_of(pods, clock)
    await look(peers)
    pods.error = LeaseUnavailableError("no way")
    clock.set(now=clock.now() + 10.0)
    assert await look(peers) is None
    pods.error = None
    clock.set(now=clock.now() + 10.0)
    assert await look(peers) is not None


async def test_a_missing_right_is_one_warning_and_rarely_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pods, clock = FakePods(), FakeClock()
    pods.error = LeaseForbiddenError("no list on pods", rule="a rule")
    peers = peers_of(pods, clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(29):
            assert await look(peers) is None
            clock.set(now=clock.now() + 10.0)
        assert pods.asked == 1
        clock.set(now=clock.now() + 10.0)
        await look(peers)
    assert pods.asked == 2
    assert len(caplog.records) == 1


async def test_a_question_without_an_answer_is_given_up_at_the_end() -> None:
    pods = FakePods()
    pods.hangs = True
    peers = peers_of(pods, FakeClock())
    assert await look(peers) is None
    await peers.close()
    assert await look(peers) is None
    assert pods.asked == 1


def test_a_look_after_the_end_of_the_election_harms_nobody() -> None:
    async def make() -> Peers:
        return peers_of(FakePods(), FakeClock())

    assert asyncio.run(make())() is None
