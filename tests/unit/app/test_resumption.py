"""
A new elector goes on with a running term only if the record says so in time.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from k8s_leader.app.hearing import Inbox
from k8s_leader.app.resumption import adopt, grant_of
from k8s_leader.clock import SystemClock
from k8s_leader.errors import LeaseUnavailableError
from k8s_leader.leases.port import LeaseManager


class Manager:
    """
    Says whether the record is the term's, or nothing at all.
    """

    identity = "a_1"

    def __init__(self, *, same: bool | None) -> None:
        self._same = same

    async def adopt(self, *_: object, **__: object) -> bool:
        if self._same is None:
            await asyncio.Event().wait()
        return bool(self._same)


def running(*, left: float) -> dict[str, Any]:
    now = SystemClock().now()
    times = {"sent": now - 5, "stop_at": now, "until": now + left}
    return {"token": 7, "uid": "u", "acquire_time": "t", "transitions": 1, **times}


@pytest.mark.parametrize("same", [True, False])
async def test_s16_only_the_very_term_is_adopted(same: bool) -> None:
    manager = cast("LeaseManager", Manager(same=same))
    term = running(left=60)
    held = await adopt(term, manager, clock=SystemClock())
    assert (held is not None) is same
    assert grant_of(term).until == term["until"]


@pytest.mark.parametrize("left", [0.05, -1.0])
async def test_s16_a_store_that_does_not_answer_in_time_is_no_traceback(
    left: float,
) -> None:
    manager = cast("LeaseManager", Manager(same=None))
    with pytest.raises(LeaseUnavailableError, match="could be continued"):
        await adopt(running(left=left), manager, clock=SystemClock())


async def test_what_the_guard_says_early_is_heard_later_in_order() -> None:
    inbox, heard = Inbox(), list[str]()
    waiting = asyncio.create_task(inbox.gone())
    for kind in ("started", "ack", "stopping", "refused", "stuck", "exited", "gone"):
        inbox.put({"type": kind})
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await waiting
    inbox.open(lambda message: heard.append(message["type"]))
    inbox.put({"type": "doubt"})
    assert heard == ["stopping", "doubt"]
