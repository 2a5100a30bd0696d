"""
The lease manager over a store that misbehaves, or that somebody else writes to.
"""

# Rows 10, 13, 14, 18 and 19 of client-go's tests have their numbers in the names below:
# docs/client-go-tests.md.

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from k8s_leader.election.observation import LossReason, Lost, Unwanted
from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import LeaseConflictError, LeaseUnavailableError
from k8s_leader.leases.memory import MemoryLease, MemoryStore
from k8s_leader.leases.port import Held, Refused, Sighted, Sighting, StillHeld
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.testing.clock import FakeClock

Fault = Callable[[], Awaitable[Stored]]


class Store(MemoryStore):
    """
    A store that notes what is asked and fails on command.
    """

    def __init__(self, lease: MemoryLease) -> None:
        super().__init__(lease)
        self.asked: list[str] = []
        self.faults: deque[Exception | None] = deque()
        self.lands = False
        self.after_write: Callable[[], Awaitable[None]] | None = None
        self.after_read: Callable[[], Awaitable[None]] | None = None
        self.sightings: asyncio.Queue[Sighting] = asyncio.Queue()
        self.told: Stored | None = None

    async def read(self) -> Stored | None:
        self.asked.append("get")
        found = self.told or await super().read()
        if self.after_read is not None:
            await self.after_read()
        return found

    async def create(self, record: Record) -> Stored:
        self.asked.append("create")
        return await super().create(record)

    async def replace(self, over: Stored, record: Record) -> Stored:
        self.asked.append("update")
        fault = self.faults.popleft() if self.faults else None
        if fault is not None:
            if self.lands:
                await super().replace(over, record)
            raise fault
        written = await super().replace(over, record)
        if self.after_write is not None:
            await self.after_write()
        return written

    async def watch(self) -> AsyncIterator[Sighting]:
        while True:
            yield await self.sightings.get()


class World:
    def __init__(self) -> None:
        self.lease = MemoryLease()
        self.clock = FakeClock()
        self.store = Store(self.lease)
        self.manager = RecordedLeaseManager(
            self.store, identity="a", clock=self.clock, lease_duration=15.0
        )

    async def win(self) -> Held:
        result = await self.manager.acquire(duration=15.0)
        assert isinstance(result, Held)
        return result

    def edit(self, **changes: object) -> Stored:
        stored = self.lease.read()
        assert stored is not None
        return self.lease.write(stored, replace(stored.record, **changes))  # type: ignore[arg-type]  # any field


@pytest.fixture
def world() -> World:
    return World()


async def test_18_exercise_fast_path_after_lock_acquired(world: World) -> None:
    await world.win()
    await world.manager.renew(duration=15.0)
    await world.manager.renew(duration=15.0)
    assert world.store.asked == ["get", "create", "update", "update"]


async def test_19_fallback_to_slow_path_after_fast_path_fails(world: World) -> None:
    await world.win()
    await world.manager.renew(duration=15.0)
    world.edit(our_duration=16.0)
    assert await world.manager.renew(duration=15.0) == StillHeld()
    asked = ["get", "create", "update", "update", "get", "update"]
    assert world.store.asked == asked


async def test_10_a_lease_of_ours_that_a_coordinator_took_over_is_not_renewed(
    world: World,
) -> None:
    """
    Client-go's coordinated elector renews it (GET, PUT); ours leaves it in order.
    """
    await world.win()
    world.edit(strategy="OldestEmulationVersion")
    world.store.faults.append(LeaseConflictError("edited"))
    wish = await world.manager.renew(duration=15.0)
    assert wish == Unwanted(why="a coordinator elects (OldestEmulationVersion)")
    assert world.store.asked == ["get", "create", "update", "get"]
    assert world.lease.holder == "a"


async def test_13_a_release_does_not_get_first_and_blanks_nobody_else(
    world: World,
) -> None:
    """
    On purpose: the write is a compare-and-swap over the very state that was judged.

    Client-go's GET refreshes the version and not the judgement, and so it frees a
    record that a rival holds. Only a conflict makes ours read, and judge again.
    """
    await world.win()
    await world.manager.release()
    assert world.store.asked == ["get", "create", "update"]
    await world.win()
    world.edit(holder="rival", acquire_time="later", transitions=9)
    world.store.asked.clear()
    await world.manager.release()
    assert world.store.asked == ["update", "get"]
    assert world.lease.holder == "rival"


async def test_14_release_retries_on_conflict(world: World) -> None:
    await world.win()
    world.store.faults.append(LeaseConflictError("once"))
    await world.manager.release()
    assert world.lease.holder == ""
    assert world.store.asked == ["get", "create", "update", "get", "update"]


async def test_conflicts_without_end_are_a_failure_not_a_loss(world: World) -> None:
    await world.win()
    world.store.faults.extend([LeaseConflictError("again")] * 8)
    with pytest.raises(LeaseUnavailableError):
        await world.manager.renew(duration=15.0)
    with pytest.raises(LeaseUnavailableError):
        await world.manager.release()


async def test_s6_a_renewal_that_landed_unanswered_is_no_loss(world: World) -> None:
    await world.win()
    world.store.lands = True
    world.store.faults.append(LeaseUnavailableError("cut"))
    with pytest.raises(LeaseUnavailableError):
        await world.manager.renew(duration=15.0)
    assert await world.manager.renew(duration=15.0) == StillHeld()


async def test_s6_a_claim_that_landed_unanswered_is_taken_as_our_own(
    world: World,
) -> None:
    world.lease.write(None, Record())
    world.store.lands = True
    world.store.faults.append(LeaseUnavailableError("cut"))
    with pytest.raises(LeaseUnavailableError):
        await world.manager.acquire(duration=15.0)
    await world.win()


async def test_s16_a_store_that_was_rolled_back_is_a_loss_and_a_wait(
    world: World,
) -> None:
    await world.win()
    old = world.lease.read()
    await world.manager.renew(duration=15.0)
    world.store.told = old
    world.store.faults.append(LeaseConflictError("rolled back"))
    lost = await world.manager.renew(duration=15.0)
    assert lost == Lost(reason=LossReason.ROLLED_BACK)
    world.clock.advance(14.9)
    refused = await world.manager.acquire(duration=15.0)
    assert isinstance(refused, Refused)
    assert refused.why == "the store was rolled back"


async def test_s16_who_got_no_answer_reads_before_it_takes_again(
    world: World,
) -> None:
    """
    A rolled back store may have come to the very version that the writer knows.
    """
    free = world.lease.write(None, Record())
    changes = watched(world, seen(free))  # a working watch: no reading without need
    assert await anext(changes) == Sighted(holder="", try_now=True)
    world.store.faults.append(LeaseUnavailableError("cut"))
    with pytest.raises(LeaseUnavailableError):
        await world.manager.acquire(duration=15.0)
    world.edit(holder="b", duration=15.0)
    world.store.asked.clear()
    refused = await world.manager.acquire(duration=15.0)
    assert isinstance(refused, Refused)
    assert refused.holder == "b"
    assert world.store.asked == ["get"]
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_theft_told_before_the_claim_was_answered_is_no_win(
    world: World,
) -> None:
    world.lease.write(None, Record())
    watch = world.manager.changes()

    async def steal() -> None:
        stolen = world.edit(holder="thief", transitions=9)
        seen = Sighting(stored=stolen, version=stolen.version)
        world.store.sightings.put_nowait(seen)
        assert await anext(watch) == Sighted(holder="thief", try_now=False)

    world.store.after_write = steal
    assert isinstance(await world.manager.acquire(duration=15.0), Refused)
    assert world.manager.holder == "thief"
    await watch.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_s6_the_echo_of_an_unanswered_claim_does_not_wake_its_writer(
    world: World,
) -> None:
    """
    Where every answer is an error, claim and echo would chase each other.
    """
    world.lease.write(None, Record())
    world.store.faults.append(LeaseUnavailableError("500"))
    world.store.lands = True
    with pytest.raises(LeaseUnavailableError):
        await world.manager.acquire(duration=15.0)
    landed = world.lease.read()
    assert landed is not None
    watch = world.manager.changes()
    world.store.sightings.put_nowait(Sighting(stored=landed, version=landed.version))
    assert await anext(watch) == Sighted(holder="a", try_now=False)
    assert isinstance(await world.manager.acquire(duration=15.0), Held)
    await watch.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_standby_whose_watch_is_broken_polls(world: World) -> None:
    world.lease.write(None, Record(holder="b", duration=15.0))
    refused = await world.manager.acquire(duration=15.0)
    assert isinstance(refused, Refused)
    assert refused.retry_at == world.clock.now() + 2.0


async def test_without_a_term_there_is_nothing_to_renew_or_release(
    world: World,
) -> None:
    lost = await world.manager.renew(duration=15.0)
    assert lost == Lost(reason=LossReason.REFUSED)
    await world.manager.release()
    assert world.store.asked == []


def watched(world: World, *sightings: Sighting) -> AsyncIterator[object]:
    """
    Let the store's watch tell, and return what comes out of it.
    """
    for sighting in sightings:
        world.store.sightings.put_nowait(sighting)
    return world.manager.changes()


def seen(stored: Stored | None) -> Sighting:
    return Sighting(stored=stored, version=None if stored is None else stored.version)


async def test_s6_a_write_that_changed_nothing_is_no_renewal(world: World) -> None:
    await world.win()

    async def keep(over: Stored, record: Record) -> Stored:
        return over  # "200 OK", and the version of before

    world.store.replace = keep  # type: ignore[method-assign]  # one odd server
    with pytest.raises(LeaseUnavailableError, match="kept the old"):
        await world.manager.renew(duration=15.0)


async def test_a_missing_lease_is_told_once_until_it_was_there(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    manager = RecordedLeaseManager(
        world.store,
        identity="a",
        clock=world.clock,
        lease_duration=15.0,
        may_create=False,
        make_again="make it so",
    )
    for _ in range(3):
        await manager.acquire(duration=15.0)
    assert [r.message for r in caplog.records if "make it so" in r.message] == [
        "the Lease does not exist, and lease-create is off: nobody can lead until "
        "somebody makes it. Fix: make it so"
    ]
    world.lease.write(None, Record(holder="b", duration=15.0))
    await manager.acquire(duration=15.0)
    world.lease.delete()
    await manager.acquire(duration=15.0)
    assert len([r for r in caplog.records if "make it so" in r.message]) == 2


async def test_a_holder_that_keeps_everybody_out_for_very_long_is_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.lease.write(None, Record(holder="b", duration=86400.0))
    for _ in range(3):
        await world.manager.acquire(duration=15.0)
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "b holds the lease for 86400 s at a time, ours is 15 s" in warnings[0]
    world.edit(duration=20.0)
    await world.manager.acquire(duration=15.0)
    world.edit(duration=86400.0)
    await world.manager.acquire(duration=86400.0)  # ours is as long: as it was meant
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1


async def test_s17_a_term_released_before_its_first_renewal_publishes_its_token(
    world: World,
) -> None:
    held = await world.win()
    await world.manager.release()
    stored = world.lease.read()
    assert stored is not None
    assert stored.record.token == held.token


async def test_a_broken_watch_wakes_a_standby_and_leaves_a_leader_alone(
    world: World,
) -> None:
    blind = Sighting(blind=True)
    changes = watched(world, blind)
    assert await anext(changes) == Sighted(holder="", try_now=True)
    await world.win()
    stolen = world.edit(holder="thief", transitions=9)
    world.store.sightings.put_nowait(blind)
    world.store.sightings.put_nowait(seen(stolen))
    assert await anext(changes) == Lost(reason=LossReason.STOLEN, holder="thief")
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_late_events_of_a_stalled_watch_cost_nothing(world: World) -> None:
    await world.win()
    late = [world.lease.read()]
    for _ in range(5):
        await world.manager.renew(duration=15.0)
        late.append(world.lease.read())
    asked = len(world.store.asked)
    stolen = world.edit(holder="thief", transitions=9)
    changes = watched(world, *(seen(old) for old in late), seen(stolen))
    assert await anext(changes) == Lost(reason=LossReason.STOLEN, holder="thief")
    assert world.store.asked[asked:] == []
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_s16_a_watch_that_goes_back_is_settled_by_a_read(world: World) -> None:
    await world.win()
    old = world.lease.read()
    await world.manager.renew(duration=15.0)
    new = world.lease.read()
    world.edit(holder="thief", transitions=9)
    changes = watched(world, seen(new), seen(old))
    assert await anext(changes) == Lost(reason=LossReason.STOLEN, holder="thief")
    assert world.store.asked[-1] == "get"
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_s16_an_answer_that_the_watch_overtook_is_no_roll_back(
    world: World,
) -> None:
    """
    Two connections: what was written after the read may be told before its answer.
    """
    world.lease.write(None, Record())
    world.edit(holder="b", acquire_time="t", duration=15.0)
    watch = world.manager.changes()

    async def renew() -> None:
        world.store.sightings.put_nowait(seen(world.edit(renew_time="later")))
        assert await anext(watch) == Sighted(holder="b", try_now=True)

    world.store.after_read = renew
    refused = await world.manager.acquire(duration=15.0)
    assert isinstance(refused, Refused)
    assert (refused.why, refused.holder) == ("held", "b")
    assert world.manager.record is not None
    assert world.manager.record.renew_time == "later"
    await watch.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_s16_a_leader_whose_read_the_watch_overtook_goes_on(world: World) -> None:
    await world.win()
    watch = world.manager.changes()
    world.edit(our_duration=16.0)  # so that the renewal has to read

    async def edit() -> None:
        world.store.after_read = None
        world.store.sightings.put_nowait(seen(world.edit(our_duration=17.0)))
        told = asyncio.ensure_future(anext(watch))
        await asyncio.wait([told], timeout=0)
        told.cancel()

    world.store.after_read = edit
    assert await world.manager.renew(duration=15.0) == StillHeld()


async def test_s16_a_roll_back_that_the_watch_shows_is_a_loss_once_it_is_read(
    world: World,
) -> None:
    await world.win()
    old = world.lease.read()
    await world.manager.renew(duration=15.0)
    new = world.lease.read()
    world.store.told = old  # the quorum read shows it, too
    changes = watched(world, seen(new), seen(old))
    assert await anext(changes) == Lost(reason=LossReason.ROLLED_BACK)
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_s16_a_roll_back_below_what_the_watch_told_is_found_by_the_renewal(
    world: World,
) -> None:
    """
    A watch that lags behind our own writes cannot show it: the next write does.
    """
    await world.win()
    old = world.lease.read()
    await world.manager.renew(duration=15.0)
    assert await _told(watched(world, seen(old))) is None
    world.store.told = old
    world.store.faults.append(LeaseConflictError("409"))
    lost = await world.manager.renew(duration=15.0)
    assert lost == Lost(reason=LossReason.ROLLED_BACK)


async def _told(changes: AsyncIterator[object]) -> object:
    """
    Return what the watch tells of the events that wait; ``None``: nothing.
    """
    told = asyncio.ensure_future(anext(changes))
    done, _ = await asyncio.wait([told], timeout=0.05)
    told.cancel()
    return told.result() if done else None


async def test_what_cannot_be_read_now_is_settled_by_what_comes_next(
    world: World,
) -> None:
    await world.win()
    world.lease.delete()
    unread = [LeaseUnavailableError("500")]
    read = world.store.read

    async def fail_once() -> Stored | None:
        if unread:
            raise unread.pop()
        return await read()

    world.store.read = fail_once  # type: ignore[method-assign]  # a server in trouble
    changes = watched(world, Sighting(), Sighting())
    assert await anext(changes) == Lost(reason=LossReason.DELETED)
    assert unread == []
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_standby_acts_on_what_is_newest_only(world: World) -> None:
    held = world.lease.write(None, Record(holder="x", duration=15.0))
    changes = watched(world, seen(held))
    assert await anext(changes) == Sighted(holder="x", try_now=True)
    free = world.edit(holder="")
    world.store.sightings.put_nowait(replace(seen(free), superseded=True))
    world.store.sightings.put_nowait(seen(world.edit(holder="b")))
    assert await anext(changes) == Sighted(holder="b", try_now=False)
    assert world.manager.holder == "b"
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_what_a_superseded_event_brought_is_not_forgotten(world: World) -> None:
    free = world.lease.write(None, Record())
    late = replace(seen(free), version=(free.version or 0) - 1)
    world.manager._told_version = -1
    changes = watched(world, replace(seen(free), superseded=True), seen(free))
    assert await anext(changes) == Sighted(holder="", try_now=True)
    taken = world.edit(holder="b", duration=15.0)
    world.store.sightings.put_nowait(replace(seen(taken), superseded=True))
    world.store.sightings.put_nowait(late)  # the store went back: the truth is asked
    assert await anext(changes) == Sighted(holder="b", try_now=False)
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_late_echo_does_not_swallow_what_was_superseded(world: World) -> None:
    free = world.lease.write(None, Record())
    changes = watched(world, replace(seen(free), superseded=True))
    told = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    edited, newest = world.edit(token=1), world.edit(token=2)
    world.manager._seen = world.manager._seen.observe(newest, at=world.clock.now())
    world.store.sightings.put_nowait(seen(edited))
    assert await told == Sighted(holder="", try_now=True)
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_s3_a_leader_acts_on_an_event_that_is_superseded(world: World) -> None:
    await world.win()
    stolen = world.edit(holder="thief", transitions=9)
    back = world.edit(holder="a")
    changes = watched(world, replace(seen(stolen), superseded=True), seen(back))
    assert await anext(changes) == Lost(reason=LossReason.STOLEN, holder="thief")
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_lost_race_that_the_watch_explained_needs_no_reading(
    world: World,
) -> None:
    free = world.lease.write(None, Record())
    changes = watched(world, seen(free))
    assert await anext(changes) == Sighted(holder="", try_now=True)
    world.manager._read_at = world.clock.now()

    async def lose(over: Stored, record: Record) -> Stored:
        winner = world.edit(holder="b", duration=15.0)
        world.store.sightings.put_nowait(seen(winner))
        await anext(changes)
        raise LeaseConflictError("b was faster")

    world.store.replace = lose  # type: ignore[method-assign]  # a race
    for beaten in (True, False):
        refused = await world.manager.acquire(duration=15.0)
        assert isinstance(refused, Refused)
        assert (refused.why, refused.holder) == ("held", "b")
        assert refused.beaten is beaten
    assert world.store.asked == []
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator
