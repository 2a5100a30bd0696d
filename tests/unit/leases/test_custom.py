"""
Managers of users' own that hang, come too late, or mix plain and async.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from k8s_leader.leases import custom
from k8s_leader.leases.custom import BoolLeaseManager
from k8s_leader.leases.port import Held


class Waiting:
    """
    Answers when it is told what; a plain method that returns an awaitable.
    """

    def __init__(self) -> None:
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.released = 0

    def acquire(self, identity: str, duration: float) -> Awaitable[bool]:
        return self.answer

    def renew(self, identity: str, duration: float) -> bool:
        return True

    def release(self, identity: str) -> bool:
        self.released += 1
        return True


@pytest.fixture
async def waiting() -> Waiting:
    return Waiting()


async def give_up(manager: BoolLeaseManager) -> None:
    """
    Ask, and stop to wait for the answer.
    """
    asking = asyncio.create_task(manager.acquire(duration=15.0))
    await asyncio.wait([asking], timeout=0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_plain_method_may_return_something_to_await(waiting: Waiting) -> None:
    waiting.answer.set_result(True)
    manager = BoolLeaseManager(waiting, identity="a")
    assert await manager.acquire(duration=15.0) == Held(token=None)


async def test_closing_does_not_wait_for_ever_for_a_manager_that_hangs(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom, "_PATIENCE", 0.05)
    manager = BoolLeaseManager(waiting, identity="a")
    await give_up(manager)
    await manager.close()
    await asyncio.sleep(0)
    assert waiting.answer.cancelled()
    assert waiting.released == 0


@pytest.mark.parametrize("answer", [False, ValueError("no route")])
async def test_only_a_late_true_is_released_again(
    waiting: Waiting, answer: bool | Exception
) -> None:
    manager = BoolLeaseManager(waiting, identity="a")
    await give_up(manager)
    if isinstance(answer, Exception):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)
    await manager.close()
    assert waiting.released == 0
