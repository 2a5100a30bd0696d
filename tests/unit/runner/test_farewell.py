"""
An orderly stop waits a moment; every other stop waits for nothing.
"""

from __future__ import annotations

import asyncio

import pytest

from k8s_leader.election.grant import Grant
from k8s_leader.leases.port import Held
from k8s_leader.runner.farewell import WorkloadWithFarewell


class Told:
    def __init__(self) -> None:
        self.stops: list[tuple[str, float]] = []
        self.told = asyncio.Event()

    def start(self, grant: Grant, held: Held) -> None:
        self.grants = [grant]

    def extend(self, grant: Grant) -> None:
        self.grants.append(grant)

    def stop(self, *, why: str, budget: float) -> None:
        self.stops.append((why, budget))
        self.told.set()


async def test_the_workload_is_told_after_the_farewell() -> None:
    inner, over = Told(), asyncio.Event()

    async def farewell() -> None:
        await over.wait()

    outer = WorkloadWithFarewell(
        inner, farewell=farewell, is_orderly=lambda: True, longest=30.0
    )
    outer.stop(why="SIGTERM", budget=25.0)
    await asyncio.sleep(0.01)
    assert inner.stops == []
    over.set()
    await asyncio.wait_for(inner.told.wait(), 5)
    assert inner.stops == [("SIGTERM", 25.0)]


@pytest.mark.parametrize("fails", [True, False])
async def test_a_farewell_that_hangs_or_fails_is_not_waited_for(fails: bool) -> None:
    inner = Told()

    async def farewell() -> None:
        if fails:
            raise RuntimeError("boom")
        await asyncio.Event().wait()

    outer = WorkloadWithFarewell(inner, farewell=farewell, is_orderly=lambda: True)
    outer.stop(why="SIGTERM", budget=25.0)
    await asyncio.wait_for(inner.told.wait(), 5)
    assert inner.stops == [("SIGTERM", 25.0)]


@pytest.mark.parametrize(("orderly", "budget"), [(False, 2.0), (True, 0.0)])
async def test_a_loss_and_a_kill_wait_for_nothing(orderly: bool, budget: float) -> None:
    inner = Told()

    async def farewell() -> None:
        raise AssertionError("it is not asked")

    outer = WorkloadWithFarewell(inner, farewell=farewell, is_orderly=lambda: orderly)
    outer.stop(why="lost", budget=budget)
    assert inner.stops == [("lost", budget)]


async def test_a_loss_during_the_farewell_overtakes_it() -> None:
    inner = Told()

    async def farewell() -> None:
        await asyncio.Event().wait()

    outer = WorkloadWithFarewell(
        inner, farewell=farewell, is_orderly=lambda: True, longest=30.0
    )
    outer.stop(why="SIGTERM", budget=25.0)
    await asyncio.sleep(0)
    outer.stop(why="stolen", budget=0.0)
    await asyncio.sleep(0.01)
    assert inner.stops == [("stolen", 0.0)]


async def test_what_is_no_stop_reaches_the_workload_as_it_is() -> None:
    inner = Told()

    async def farewell() -> None: ...

    outer = WorkloadWithFarewell(inner, farewell=farewell, is_orderly=lambda: True)
    grant = Grant(token=7, sent=0.0, stop_at=10.0, until=13.0)
    later = Grant(token=7, sent=3.0, stop_at=13.0, until=16.0)
    outer.start(grant, Held(token=7))
    outer.extend(later)
    assert inner.grants == [grant, later]
