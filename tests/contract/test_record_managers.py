"""
What every lease manager that keeps a record promises.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from k8s_leader.election.observation import LossReason, Lost
from k8s_leader.leases.port import (
    Acquisition,
    Change,
    Held,
    Refused,
    Shortened,
    StillHeld,
)
from k8s_leader.leases.recorded import RecordedLeaseManager
from tests.contract.stores import DURATION, Backend


async def won(manager: RecordedLeaseManager) -> Held:
    result = await manager.acquire(duration=DURATION)
    assert isinstance(result, Held), result
    return result


async def refused(manager: RecordedLeaseManager) -> Refused:
    result = await manager.acquire(duration=DURATION)
    assert isinstance(result, Refused), result
    return result


@contextlib.asynccontextmanager
async def watching(
    manager: RecordedLeaseManager,
) -> AsyncIterator[Callable[[Callable[[Any], bool]], Any]]:
    """
    Collect what a manager's watch tells; yield a function that waits for a change.
    """
    told: asyncio.Queue[Change] = asyncio.Queue()

    async def collect() -> None:
        async for change in manager.changes():
            told.put_nowait(change)

    async def until(wanted: Callable[[Any], bool]) -> Change:
        async with asyncio.timeout(20):
            while not wanted(change := await told.get()):
                pass
            return change

    task = asyncio.create_task(collect())
    try:
        async with asyncio.timeout(20):
            while not manager._watching:  # noqa: ASYNC110  # it has no event
                await asyncio.sleep(0.01)
        yield until
    finally:
        task.cancel()
        await asyncio.wait([task])


def is_lost(change: Change) -> bool:
    return isinstance(change, Lost)


async def test_of_many_candidates_at_once_one_wins(backend: Backend) -> None:
    managers = [backend.candidate(f"c{n}") for n in range(8)]
    for _ in range(3):
        results: list[Acquisition] = await asyncio.gather(
            *(manager.acquire(duration=DURATION) for manager in managers)
        )
        winners = [n for n, result in enumerate(results) if isinstance(result, Held)]
        assert len(winners) == 1
        assert (await backend.record()).holder == f"c{winners[0]}"
        await managers[winners[0]].release()


async def test_a_held_lease_is_refused_until_it_expires(backend: Backend) -> None:
    a, b = backend.candidate("a"), backend.candidate("b")
    await won(a)
    assert (await refused(b)).holder == "a"
    backend.clock.advance(DURATION - 0.01)
    await refused(b)
    backend.clock.advance(0.02)
    await won(b)
    assert (await backend.record()).transitions == 1


async def test_a_renewed_lease_does_not_expire(backend: Backend) -> None:
    a, b = backend.candidate("a"), backend.candidate("b")
    await won(a)
    await refused(b)
    for _ in range(5):
        backend.clock.advance(5.0)
        assert await a.renew(duration=DURATION) == StillHeld()
        await refused(b)


async def test_a_released_lease_is_taken_at_once(backend: Backend) -> None:
    a, b = backend.candidate("a"), backend.candidate("b")
    await won(a)
    await refused(b)
    await a.release()
    record = await backend.record()
    assert (record.holder, record.released_by) == ("", "a")
    await won(b)


async def test_only_the_holder_releases(backend: Backend) -> None:
    a, b = backend.candidate("a"), backend.candidate("b")
    await won(a)
    await b.release()
    await refused(b)
    await b.release()
    assert (await backend.record()).holder == "a"


async def test_a_robbed_holder_neither_renews_nor_releases(backend: Backend) -> None:
    a, b = backend.candidate("a"), backend.candidate("b")
    await won(a)
    await refused(b)
    backend.clock.advance(DURATION + 1)
    await won(b)
    assert await a.renew(duration=DURATION) == Lost(
        reason=LossReason.STOLEN, holder="b"
    )
    await a.release()
    assert (await backend.record()).holder == "b"
    assert isinstance(await a.renew(duration=DURATION), Lost)


async def test_tokens_grow_with_every_term_also_across_deletion(
    backend: Backend,
) -> None:
    tokens: list[int] = []
    for n in range(6):
        manager = backend.candidate(f"c{n}")
        held = await won(manager)
        assert held.token is not None
        tokens.append(held.token)
        await manager.renew(duration=DURATION)
        assert (await backend.record()).token == held.token
        await manager.release()
        if n % 2:
            await backend.delete()
    assert tokens[0] > 0
    assert tokens == sorted(set(tokens))


async def test_a_missing_lease_is_not_created_where_that_is_off(
    backend: Backend,
) -> None:
    manager = backend.candidate("a", create=False)
    assert "does not exist" in (await refused(manager)).why
    assert await backend.store.read() is None


async def test_a_lost_race_is_a_refusal_and_the_next_try_reads(
    backend: Backend,
) -> None:
    a, b = backend.candidate("a"), backend.candidate("b")
    async with watching(b) as until:
        await refused_or_won(b)
        await b.release()
        await until(lambda change: change.holder == "")
        b._seen = b._seen.observe(await backend.store.read(), at=backend.clock.now())
        stale = b._seen
        await won(a)
        b._seen = stale  # as if the watch had not told yet
        assert (await refused(b)).beaten
        after = await refused(b)
        assert (after.holder, after.beaten) == ("a", False)


async def refused_or_won(manager: RecordedLeaseManager) -> None:
    await manager.acquire(duration=DURATION)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"holder": "thief"}, LossReason.STOLEN),
        ({"holder": ""}, LossReason.BLANKED),
        ({"transitions": 9}, LossReason.EDITED),
    ],
    ids=["stolen", "blanked", "edited"],
)
async def test_a_leader_is_told_what_was_done_to_its_record(
    backend: Backend, changes: dict[str, object], reason: LossReason
) -> None:
    a = backend.candidate("a")
    await won(a)
    async with watching(a) as until:
        await backend.edit(**changes)
        assert (await until(is_lost)).reason is reason
    assert isinstance(await a.renew(duration=DURATION), Lost)


async def test_a_leader_is_told_that_its_record_was_deleted(backend: Backend) -> None:
    a = backend.candidate("a")
    await won(a)
    async with watching(a) as until:
        await backend.delete()
        assert (await until(is_lost)).reason is LossReason.DELETED


async def test_a_leader_is_told_that_its_record_was_shortened(
    backend: Backend,
) -> None:
    a = backend.candidate("a")
    await won(a)
    async with watching(a) as until:
        await backend.edit(duration=5.0)
        change = await until(lambda change: isinstance(change, Shortened))
        assert change.duration == 5.0
    assert await a.renew(duration=DURATION) == StillHeld()
    assert (await backend.record()).duration == DURATION


async def test_a_standby_is_woken_by_a_release(backend: Backend) -> None:
    a, b = backend.candidate("a"), backend.candidate("b")
    await won(a)
    async with watching(b) as until:
        await refused(b)
        await a.release()
        await until(lambda change: change.holder == "" and change.try_now)
        await won(b)


@pytest.mark.parametrize("how", ["blanked", "deleted"])
async def test_a_lease_that_was_wiped_under_a_leader_is_waited_for(
    backend: Backend, how: str
) -> None:
    a, b = backend.candidate("a"), backend.candidate("b")
    await won(a)
    await refused(b)
    await (backend.edit(holder="") if how == "blanked" else backend.delete())
    assert (await refused(b)).holder == "a"
    backend.clock.advance(DURATION - 0.01)
    await refused(b)
    backend.clock.advance(0.02)
    await won(b)


async def test_a_foreign_write_that_keeps_the_spec_is_no_loss(
    backend: Backend,
) -> None:
    a = backend.candidate("a")
    await won(a)
    await backend.edit(our_duration=16.0)
    assert await a.renew(duration=DURATION) == StillHeld()


async def test_s16_a_term_is_adopted_only_when_all_agrees(backend: Backend) -> None:
    a = backend.candidate("a")
    held = await won(a)
    term, token = held.term, held.token
    assert term is not None
    assert token is not None
    await a.renew(duration=DURATION)
    other = type(term)(
        identity="a",
        uid=term.uid,
        acquire_time=term.acquire_time,
        transitions=term.transitions + 1,
    )
    assert not await backend.candidate("a").adopt(other, token=token)
    assert not await backend.candidate("a").adopt(term, token=token - 1)
    heir = backend.candidate("a")
    assert await heir.adopt(term, token=token)
    assert await heir.renew(duration=DURATION) == StillHeld()
    await backend.edit(holder="thief")
    assert not await backend.candidate("a").adopt(term, token=token)


async def test_our_own_ended_term_is_taken_again_at_once(backend: Backend) -> None:
    a = backend.candidate("a")
    first = await won(a)
    second = await won(a)
    assert first.token is not None
    assert second.token is not None
    assert second.token > first.token


async def test_another_process_of_the_same_name_waits(backend: Backend) -> None:
    await won(backend.candidate("a"))
    await refused(backend.candidate("a"))
