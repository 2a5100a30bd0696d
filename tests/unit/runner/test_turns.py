"""
Many candidates do not write at once, and few do not wait.
"""

from __future__ import annotations

import asyncio

import pytest

from k8s_leader.leases.port import Held, Refused
from k8s_leader.runner.turns import Turns

BEATEN = Refused(beaten=True)


class Attempts:
    """
    Counts attempts; each can be awaited.
    """

    def __init__(self) -> None:
        self.at: list[float] = []
        self.come = asyncio.Event()

    def __call__(self) -> None:
        self.at.append(asyncio.get_running_loop().time())
        self.come.set()


def beaten(times: int) -> Turns:
    turns = Turns()
    for _ in range(times):
        turns.learn(BEATEN)
    return turns


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_who_may_be_the_only_one_tries_at_once(times: int) -> None:
    attempts = Attempts()
    beaten(times).take(attempts)
    assert len(attempts.at) == 1


async def test_who_lost_three_races_in_a_row_waits_a_little_and_once() -> None:
    turns, attempts = beaten(3), Attempts()
    begun = asyncio.get_running_loop().time()
    turns.take(attempts)
    turns.take(attempts)
    assert not attempts.at
    await asyncio.wait_for(attempts.come.wait(), 10)
    assert len(attempts.at) == 1
    assert attempts.at[0] - begun >= 0.02
    attempts.come.clear()
    turns.take(attempts)
    await asyncio.wait_for(attempts.come.wait(), 10)
    assert len(attempts.at) == 2


async def test_they_do_not_all_wait_as_long() -> None:
    attempts = Attempts()
    due: list[float] = []
    for _ in range(50):
        turns = beaten(3)
        turns.take(attempts)
        assert turns._timer is not None
        due.append(turns._timer.when())
    while len(attempts.at) < 50:
        attempts.come.clear()
        await asyncio.wait_for(attempts.come.wait(), 10)
    assert max(due) - min(due) >= 0.05


@pytest.mark.parametrize("then", [Held(token=1), Held(token=None)])
async def test_who_won_does_not_wait_the_next_time(then: Held) -> None:
    turns, attempts = beaten(9), Attempts()
    turns.learn(then)
    turns.take(attempts)
    assert len(attempts.at) == 1


async def test_a_lease_that_is_held_is_no_lost_race() -> None:
    turns, attempts = beaten(2), Attempts()
    turns.learn(Refused(holder="b"))
    turns.take(attempts)
    assert len(attempts.at) == 1


async def test_nobody_tries_after_the_end() -> None:
    turns, attempts = beaten(3), Attempts()
    turns.take(attempts)
    turns.end()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(attempts.come.wait(), 0.25)
    Turns().end()
