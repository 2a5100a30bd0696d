"""
Managers of users' own that hang, come too late, or mix plain and async.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable
from types import SimpleNamespace

import pytest

from k8s_leader.leases import custom
from k8s_leader.leases.custom import BoolLeaseManager
from k8s_leader.leases.port import Held, StillHeld


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


async def test_methods_may_be_anything_that_can_be_called() -> None:
    """
    Nothing but a function has a name: these could not even be asked.
    """

    def answer(told: list[str], identity: str, *_: float) -> bool:
        told.append(identity)
        return True

    told: list[str] = []
    method = functools.partial(answer, told)
    made = SimpleNamespace(acquire=method, renew=method, release=method)
    manager = BoolLeaseManager(made, identity="a")
    assert await manager.acquire(duration=15.0) == Held(token=None)
    assert await manager.renew(duration=15.0) == StillHeld()
    await manager.release()
    assert told == ["a"] * 3


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
