"""
When the heartbeat beats: by default, when it is slow, and at the end.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from k8s_leader.app.options import checked_interval
from k8s_leader.runner.heartbeat import beat
from k8s_leader.runner.term import Signal

OFTEN = 0.001


def test_it_beats_every_30_seconds_unless_told_otherwise() -> None:
    assert checked_interval({}) == 30.0
    assert checked_interval({"heartbeat_every": 5}) == 5.0


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_there_are_never_two_at_once(kind: str) -> None:
    token, go_on = Signal(), Signal()
    calls = []

    async def slow(is_leader: bool, token: Signal) -> None:
        calls.append(is_leader)
        await go_on

    def slow_in_a_thread(is_leader: bool, token: Signal) -> None:
        calls.append(is_leader)
        assert go_on.wait(20)

    heartbeat = slow if kind == "async" else slow_in_a_thread
    work = beat(heartbeat, every=OFTEN, is_leader=lambda: True, token=token)
    beating = asyncio.create_task(work)
    await asyncio.sleep(50 * OFTEN)  # in which fifty are due
    assert len(calls) == 1
    token.set()
    go_on.set()
    await beating
    assert len(calls) == 1


async def test_it_ends_with_its_token_however_rarely_it_beats() -> None:
    token, beaten = Signal(), asyncio.Event()

    async def heartbeat(is_leader: bool, token: Signal) -> None:
        beaten.set()

    work = beat(heartbeat, every=3600.0, is_leader=lambda: False, token=token)
    beating = asyncio.create_task(work)
    await beaten.wait()
    threading.Thread(target=token.set).start()
    async with asyncio.timeout(20):
        await beating


async def test_each_beat_tells_who_leads_at_that_moment() -> None:
    token, states, heard = Signal(), [False, True, False], []

    async def heartbeat(is_leader: bool, token: Signal) -> None:
        heard.append(is_leader)
        if not states:
            token.set()

    await beat(heartbeat, every=OFTEN, is_leader=lambda: states.pop(0), token=token)
    assert heard == [False, True, False]
