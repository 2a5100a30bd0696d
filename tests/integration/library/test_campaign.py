from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from k8s_leader.app.campaign import campaign
from k8s_leader.errors import HeartbeatError


@pytest.mark.slow
async def test_a_blocked_application_loop_keeps_the_lease(tmp_path: Path) -> None:
    lease = f"sqlite:{tmp_path / 'x.db'}"
    async with campaign(
        lease=lease,
        lease_duration=8.0,  # a shorter one is lost on a busy machine, and kills us
        renew_every=0.4,
    ) as candidate:
        async for term in candidate.terms():
            async with term:
                time.sleep(8.5)  # noqa: ASYNC251  # blocking is the point
                term.raise_if_lost()
                assert candidate.is_leader
            break
    assert term.lost.is_set()


async def test_stopping_cancels_the_body_and_ends_the_terms() -> None:
    bodies = []
    async with campaign(lease="memory:stopping") as candidate:
        async for term in candidate.terms():
            async with term:
                bodies.append(term.fencing_token)
                candidate.stop()
                await asyncio.Event().wait()
    assert len(bodies) == 1
    assert not candidate.is_leader


async def test_an_exception_of_the_body_surfaces() -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with campaign(lease="memory:raising") as candidate:
            async for term in candidate.terms():
                async with term:
                    raise ZeroDivisionError


async def test_a_failing_heartbeat_stops_the_service() -> None:
    def heartbeat(is_leader: bool, token: object) -> None:
        raise ValueError

    with pytest.raises(HeartbeatError):  # noqa: PT012
        async with campaign(lease="memory:beat", heartbeat=heartbeat) as candidate:
            async for term in candidate.terms():
                async with term:
                    await asyncio.Event().wait()
