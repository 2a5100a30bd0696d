"""
Many candidates of one process on one lease: what they share, and what they may not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import (
    LeaseConflictError,
    LeaseNotFoundError,
    LeaseUnavailableError,
)
from k8s_leader.leases import shared
from k8s_leader.leases.memory import MemoryLease, MemoryStore
from k8s_leader.leases.port import Held, Sighting, closing
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.leases.shared import SharedLease, SharedStore
from k8s_leader.testing.clock import FakeClock

CANDIDATES = 50


class Store(MemoryStore):
    """
    A store that notes what is asked, and answers when it is let.
    """

    def __init__(self, lease: MemoryLease, asked: list[str]) -> None:
        super().__init__(lease)
        self.asked = asked
        self.answer = asyncio.Event()
        self.answer.set()
        self.fault: Exception | None = None
        self.sightings: asyncio.Queue[Sighting | Exception] = asyncio.Queue()

    async def read(self) -> Stored | None:
        self.asked.append("get")
        await self.answer.wait()
        return await super().read()

    async def create(self, record: Record) -> Stored:
        await self._ask("create")
        return await super().create(record)

    async def replace(self, over: Stored, record: Record) -> Stored:
        await self._ask("update")
        return await super().replace(over, record)

    async def _ask(self, verb: str) -> None:
        self.asked.append(verb)
        await asyncio.sleep(0)
        await self.answer.wait()
        if self.fault is not None:
            raise self.fault

    async def watch(self) -> AsyncIterator[Sighting]:
        self.asked.append("watch")
        try:
            while True:
                sighting = await self.sightings.get()
                if isinstance(sighting, Exception):
                    raise sighting
                yield sighting
        finally:
            self.asked.append("unwatch")


class World:
    def __init__(self) -> None:
        self.lease = MemoryLease()
        self.asked: list[str] = []
        self.together = SharedLease()
        self.own = [Store(self.lease, self.asked) for _ in range(CANDIDATES)]
        self.stores = [self.together.store(one) for one in self.own]

    def show(self, *sightings: Sighting) -> None:
        """
        Let the watch, which is the first one's, show what happens.
        """
        for sighting in sightings:
            self.own[0].sightings.put_nowait(sighting)

    def stored(self) -> Stored:
        stored = self.lease.read()
        assert stored is not None
        return stored


@pytest.fixture
def world() -> World:
    return World()


class Ear:
    """
    What one candidate heard.
    """

    def __init__(self) -> None:
        self.heard: list[Sighting] = []
        self.fault: Exception | None = None


class Ears(list[Ear]):
    """
    All of them, and a way to wait for what they hear.
    """

    def __init__(self, stores: list[SharedStore]) -> None:
        super().__init__(Ear() for _ in stores)
        self._something = asyncio.Event()
        self.tasks = [
            asyncio.create_task(self._listen(ear, store))
            for ear, store in zip(self, stores, strict=True)
        ]

    async def _listen(self, ear: Ear, store: SharedStore) -> None:
        try:
            async with closing(store.watch()) as sightings:
                async for sighting in sightings:
                    ear.heard.append(sighting)
                    self._something.set()
        except LeaseUnavailableError as exc:
            ear.fault = exc
            self._something.set()

    async def until(self, wanted: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not wanted():
                self._something.clear()
                await self._something.wait()

    async def all_heard(self, count: int) -> None:
        await self.until(lambda: all(len(ear.heard) >= count for ear in self))


@contextlib.asynccontextmanager
async def listening(world: World) -> AsyncIterator[Ears]:
    ears = Ears(world.stores)
    await asyncio.sleep(0)
    try:
        yield ears
    finally:
        for task in ears.tasks:
            task.cancel()
        await asyncio.wait(ears.tasks)


def sighting(version: int, holder: str = "a") -> Sighting:
    stored = Stored(record=Record(holder=holder), uid="u", version=version)
    return Sighting(stored=stored, version=version)


def versions(ears: Ears) -> list[int | None]:
    """
    Return what each heard last.
    """
    return [ear.heard[-1].version if ear.heard else None for ear in ears]


async def test_all_hear_everything_in_order_from_one_watch(world: World) -> None:
    events = [sighting(n) for n in (1, 2, 3)]
    async with listening(world) as ears:
        world.show(*events)
        await ears.all_heard(3)
    for ear in ears:
        assert [heard.version for heard in ear.heard] == [1, 2, 3]
        assert not ear.heard[-1].superseded
    assert world.asked == ["watch", "unwatch"]


async def test_a_few_hear_at_once_and_the_others_when_more_has_happened(
    world: World,
) -> None:
    async with listening(world) as ears:
        world.show(sighting(1))
        await ears.until(lambda: any(ear.heard for ear in ears))
        await asyncio.sleep(0)
        early = [ear for ear in ears if ear.heard]
        assert len(early) == shared._FIRST
        world.show(sighting(2))
        await ears.all_heard(2)
    late = [ear for ear in ears if ear.heard[0].superseded]
    assert len(late) > CANDIDATES / 2
    assert not any(ear in late for ear in early)


async def test_whoever_wrote_last_always_hears_at_once(world: World) -> None:
    leader = world.stores[-1]
    async with listening(world) as ears:
        await leader.create(Record(holder="a"))
        for version in range(2, 6):
            world.show(sighting(version))
            await ears.until(lambda: versions(ears).count(version) > 0)  # noqa: B023  # awaited here
            await asyncio.sleep(0)
            assert versions(ears)[-1] == version
            assert versions(ears).count(version) < CANDIDATES / 2


async def test_who_comes_later_is_shown_the_present_state(world: World) -> None:
    async with listening(world) as ears:
        world.show(sighting(7))
        await ears.all_heard(1)
        late = world.together.store(Store(world.lease, world.asked))
        async with closing(late.watch()) as sightings, asyncio.timeout(10):
            assert await anext(sightings) == sighting(7)
    assert world.asked == ["watch", "unwatch"]


async def test_a_watch_that_fails_fails_for_each(world: World) -> None:
    async with listening(world) as ears:
        world.show(sighting(1))
        world.own[0].sightings.put_nowait(LeaseUnavailableError("broken"))
        await ears.all_heard(1)
        await ears.until(lambda: all(ear.fault for ear in ears))


async def test_the_watch_begins_anew_when_somebody_comes_again(world: World) -> None:
    for _ in range(2):
        async with listening(world) as ears:
            world.show(sighting(1))
            await ears.all_heard(1)
    assert world.asked == ["watch", "unwatch"] * 2


async def test_of_many_that_want_the_same_state_one_asks(world: World) -> None:
    first = await world.own[0].create(Record(holder=""))
    world.asked.clear()

    async def take(number: int) -> bool:
        try:
            await world.stores[number].replace(first, Record(holder=str(number)))
        except LeaseConflictError:
            return False
        return True

    won = await asyncio.gather(*map(take, range(CANDIDATES)))
    assert won.count(True) == 1
    assert world.asked == ["update"]


async def test_of_many_that_make_the_lease_one_asks(world: World) -> None:
    made = await asyncio.gather(
        *(store.create(Record(holder="a")) for store in world.stores),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Stored) for one in made) == 1
    assert world.asked == ["create"]


@pytest.mark.parametrize("fault", [LeaseConflictError, LeaseNotFoundError])
async def test_who_lost_to_another_process_has_lost_for_all_who_waited(
    world: World, fault: type[Exception]
) -> None:
    first = await world.own[0].create(Record(holder=""))
    world.asked.clear()
    for one in world.own:
        one.fault = fault("elsewhere")
    answers = await asyncio.gather(
        *(store.replace(first, Record(holder="a")) for store in world.stores),
        return_exceptions=True,
    )
    assert all(isinstance(one, fault | LeaseConflictError) for one in answers)
    assert world.asked == ["update"]
    for one in world.own:
        one.fault = None
    await world.stores[1].replace(first, Record(holder="b"))  # a store rolled back
    assert world.asked == ["update", "update"]


async def test_a_write_without_an_answer_lets_the_next_one_ask(world: World) -> None:
    first = await world.own[0].create(Record(holder=""))
    world.own[0].fault = LeaseUnavailableError("no answer")
    await asyncio.gather(
        *(store.replace(first, Record(holder="a")) for store in world.stores[:2]),
        return_exceptions=True,
    )
    assert world.stored().record.holder == "a"


async def test_what_the_watch_showed_replaced_is_not_asked_for(world: World) -> None:
    first = await world.own[0].create(Record(holder=""))
    async with listening(world) as ears:
        assert first.version is not None
        newer = Stored(
            record=Record(holder="x"), uid=first.uid, version=first.version + 1
        )
        world.show(Sighting(blind=True), Sighting(stored=newer, version=newer.version))
        await ears.all_heard(2)
        with pytest.raises(LeaseConflictError, match="this process"):
            await world.stores[3].replace(first, Record(holder="a"))
    assert "update" not in world.asked


async def test_a_state_without_a_version_is_always_asked_for(world: World) -> None:
    first = await world.own[0].create(Record(holder=""))
    world.together._known = Stored(record=Record(), uid=first.uid, version=None)
    await world.stores[0].replace(first, Record(holder="a"))
    assert world.stored().record.holder == "a"


async def test_the_leader_waits_for_nobody(world: World) -> None:
    held = await world.stores[0].create(Record(holder="a"))
    world.own[1].answer.clear()
    others = [
        asyncio.create_task(world.stores[1].replace(held, Record(holder="b"))),
        asyncio.create_task(world.stores[1].read()),
    ]
    await asyncio.sleep(0)
    renewed = await world.stores[0].replace(held, Record(holder="a", token=1))
    assert await world.stores[0].read() == renewed
    world.own[1].answer.set()
    answer = (await asyncio.gather(*others, return_exceptions=True))[0]
    assert isinstance(answer, LeaseConflictError)


async def test_who_asks_while_a_read_is_under_way_gets_the_next_one(
    world: World,
) -> None:
    world.own[0].answer.clear()
    early = asyncio.create_task(world.stores[0].read())
    await asyncio.sleep(0)
    late = [asyncio.create_task(store.read()) for store in world.stores[1:]]
    await asyncio.sleep(0)
    await world.own[1].create(Record(holder="new"))
    world.own[0].answer.set()
    await early
    for stored in await asyncio.gather(*late):
        assert stored is not None
        assert stored.record.holder == "new"
    assert world.asked.count("get") == 2


async def test_one_read_tells_all_that_their_watch_is_right(world: World) -> None:
    stored = await world.own[0].create(Record(holder="a"))
    async with listening(world) as ears:
        await world.stores[0].read()  # nothing was heard yet that it could confirm
        world.show(Sighting(stored=stored, version=stored.version))
        await ears.all_heard(1)
        await world.stores[0].read()
        await ears.all_heard(2)
        assert all(ear.heard[-1].checked for ear in ears)
        await world.own[0].replace(stored, Record(holder="b"))
        await world.stores[0].read()  # the watch is behind: that confirms nothing
        await asyncio.sleep(2 * shared._LATER)
        assert all(len(ear.heard) == 2 for ear in ears)


async def test_a_checked_watch_spares_a_standby_its_own_read(world: World) -> None:
    clock = FakeClock()
    held = await world.own[0].create(Record(holder="x", duration=15.0))
    manager = RecordedLeaseManager(
        world.own[1], identity="a", clock=clock, lease_duration=15.0
    )
    await manager.acquire(duration=15.0)
    changes = manager.changes()
    seen = Sighting(stored=held, version=held.version, checked=True)
    task = asyncio.ensure_future(anext(changes))
    clock.advance(50.0)
    world.own[1].sightings.put_nowait(seen)
    world.own[1].sightings.put_nowait(Sighting(blind=True))
    await task
    assert world.asked.count("get") == 1


async def test_leaving_ends_the_leaders_privilege(world: World) -> None:
    async with listening(world):
        await world.stores[0].create(Record(holder="a"))
    assert world.together._writer is None
    await world.stores[0].close()


async def test_fifty_candidates_hand_over_with_two_requests(world: World) -> None:
    clock = FakeClock()
    managers = [
        RecordedLeaseManager(store, identity=f"c{n}", clock=clock, lease_duration=15.0)
        for n, store in enumerate(world.stores)
    ]
    results = await asyncio.gather(*(m.acquire(duration=15.0) for m in managers))
    leader = next(
        m for m, r in zip(managers, results, strict=True) if isinstance(r, Held)
    )
    world.asked.clear()
    await leader.release()
    free = world.stored()
    for manager in managers:
        manager._seen = manager._seen.observe(free, at=clock.now())
        manager._watching, manager._outdated = True, False
        manager._read_at = clock.now()
    managers.remove(leader)  # who stepped down stays out for a while
    results = await asyncio.gather(*(m.acquire(duration=15.0) for m in managers))
    assert sum(isinstance(result, Held) for result in results) == 1
    assert world.asked == ["update", "update"]


async def test_who_lost_hears_at_once_to_whom(world: World) -> None:
    first = await world.own[0].create(Record(holder=""))
    async with listening(world) as ears:
        await world.stores[-1].replace(first, Record(holder="z"))
        for store in world.stores[-4:-1]:
            with pytest.raises(LeaseConflictError):
                await store.replace(first, Record(holder="y"))
        world.show(sighting(9))
        await ears.until(lambda: any(ear.heard for ear in ears))
        await asyncio.sleep(0)
        assert all(ear.heard for ear in ears[-4:])
        assert len([ear for ear in ears if ear.heard]) < CANDIDATES / 2


async def test_who_was_seen_to_lead_no_more_has_no_privilege(world: World) -> None:
    written = await world.stores[0].create(Record(holder="a"))
    assert written.version is not None
    async with listening(world) as ears:
        for version, holder, leads in (
            (written.version - 1, "before", True),
            (written.version + 1, "a", True),
            (written.version + 2, "b", False),
        ):
            stored = Stored(
                record=Record(holder=holder), uid=written.uid, version=version
            )
            world.show(Sighting(stored=stored, version=version))
            await ears.until(lambda: bool(ears[0].heard))
            ears[0].heard.clear()
            assert (world.together._writer is world.stores[0]) is leads


async def test_who_lost_to_what_was_shown_already_hears_it_now(world: World) -> None:
    first = await world.own[0].create(Record(holder=""))
    assert first.version is not None
    newer = Stored(record=Record(holder="x"), uid=first.uid, version=first.version + 1)
    async with listening(world) as ears:
        world.show(Sighting(stored=newer, version=newer.version))
        await ears.until(lambda: any(ear.heard for ear in ears))
        late = next(n for n, ear in enumerate(ears) if not ear.heard)
        with pytest.raises(LeaseConflictError):
            await world.stores[late].replace(first, Record(holder="y"))
        await ears.until(lambda: bool(ears[late].heard))
        assert len([ear for ear in ears if ear.heard]) < CANDIDATES / 2
