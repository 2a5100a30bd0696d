"""
The kit for users' tests, used as docs/testing.md says.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import k8s_leader
from k8s_leader.testing import FailingManager, FlipFlopManager

if TYPE_CHECKING:
    from k8s_leader.testing import FakeClock, Leadership


async def work(lease: str, journal: asyncio.Queue[str]) -> None:
    """
    The code under test.
    """
    async with k8s_leader.campaign(lease=lease) as candidate:
        async for term in candidate.terms():
            async with term:
                journal.put_nowait("begin")
                try:
                    await asyncio.Event().wait()
                finally:
                    journal.put_nowait("end")


async def test_work_begins_and_ends_with_leadership(leadership: Leadership) -> None:
    journal: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(work(leadership.lease, journal))
    for _ in range(2):
        leadership.grant()
        assert await journal.get() == "begin"
        assert leadership.holder
        leadership.take_away()
        assert await journal.get() == "end"
    task.cancel()
    await asyncio.wait([task])


async def test_nobody_leads_until_leadership_is_granted(leadership: Leadership) -> None:
    async with k8s_leader.campaign(lease=leadership.lease) as candidate:
        terms = asyncio.create_task(anext(candidate.terms()))
        done, _ = await asyncio.wait([terms], timeout=0.3)
        assert not done
        assert not candidate.is_leader
        leadership.grant()
        async with asyncio.timeout(5):  # not when a standby looks by itself, after 15 s
            term = await terms
        async with term:
            assert candidate.is_leader


async def test_the_test_says_which_of_three_candidates_leads(
    leadership: Leadership,
) -> None:
    async with AsyncExitStack() as stack:
        three = [
            await stack.enter_async_context(
                k8s_leader.campaign(lease=leadership.lease, identity=name)
            )
            for name in "abc"
        ]
        for candidate in (three[1], three[0], three[2]):
            leadership.grant(candidate.identity)
            async with asyncio.timeout(5):
                term = await anext(candidate.terms())
            async with term:
                assert leadership.holder == candidate.identity
                assert [c.is_leader for c in three].count(True) == 1


async def test_a_flip_flopping_manager_ends_each_term_and_a_new_one_begins() -> None:
    manager = FlipFlopManager(renewals=1)
    async with k8s_leader.campaign(
        manager=manager,
        on_loss="carry-on",
        lease_duration=2.0,
        safety_margin=0.3,
        request_timeout=0.2,
        renew_every=0.1,
    ) as candidate:
        lost = 0
        async for term in candidate.terms():
            async with term:
                await term.lost
            lost += 1
            if lost == 2:
                break
    assert manager.terms >= 2


async def test_a_failing_manager_gives_leadership_when_its_outage_ends() -> None:
    manager = FailingManager()
    async with k8s_leader.campaign(manager=manager, retry_period=0.1) as candidate:
        terms = asyncio.create_task(anext(candidate.terms()))
        while manager.calls < 3:
            assert not terms.done()
            await asyncio.sleep(0.01)  # what is under test tells nobody of its calls
        manager.failing = False
        async with await terms:
            assert candidate.is_leader


def test_the_clock_stands_still_until_it_is_moved(leader_clock: FakeClock) -> None:
    before = leader_clock.now()
    assert leader_clock.advance(5.0) == before + 5.0 == leader_clock.now()


def test_the_plugin_loads_nothing_before_it_is_used() -> None:
    code = (
        "import sys, k8s_leader.testing.plugin\n"
        "print([m for m in sys.modules if m.startswith('k8s_leader.')])\n"
        "print(sorted({'asyncio', 'aiohttp', 'kubernetes_asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    ours, heavy = done.stdout.splitlines()
    assert ours == "['k8s_leader.testing', 'k8s_leader.testing.plugin']"
    assert "aiohttp" not in heavy
    assert "kubernetes_asyncio" not in heavy
