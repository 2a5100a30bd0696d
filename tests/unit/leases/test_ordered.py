"""
The lease manager over a record in which people ask for something.
"""

from __future__ import annotations

import pytest

from k8s_leader.election.observation import Unwanted
from k8s_leader.election.orders import LEFT_FOR
from k8s_leader.election.record import Record
from k8s_leader.leases.port import Refused, Sighted, Sighting, StillHeld
from tests.unit.leases.test_recorded import World


@pytest.fixture
def world() -> World:
    return World()


async def test_a_renewal_is_written_although_the_leader_is_asked_to_leave(
    world: World,
) -> None:
    """
    S4: it renews until its workload is gone.
    """
    await world.win()
    asked = world.edit(step_down="true")
    renewed = await world.manager.renew(duration=15.0)
    assert renewed == StillHeld(leave="asked to step down")
    written = world.lease.read()
    assert written is not None
    assert written.version is not None
    assert asked.version is not None
    assert written.version > asked.version
    await world.manager.release()
    left = world.lease.read()
    assert left is not None
    assert left.record.step_down is None


async def test_the_watch_tells_a_leader_that_it_is_asked_to_leave(
    world: World,
) -> None:
    await world.win()
    watch = world.manager.changes()
    for orders, told in (
        ({"paused": "true", "step_down": "true"}, Sighted(holder="a", try_now=False)),
        ({"paused": None}, Unwanted(why="asked to step down")),
    ):
        edited = world.edit(**orders)
        seen = Sighting(stored=edited, version=edited.version)
        world.store.sightings.put_nowait(seen)
        assert await anext(watch) == told
    await watch.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_paused_standby_waits_and_is_woken_by_the_resumption(
    world: World,
) -> None:
    world.lease.write(None, Record(paused="true"))
    refused = await world.manager.acquire(duration=15.0)
    assert isinstance(refused, Refused)
    assert refused.why == "paused"
    assert world.manager.paused is True
    resumed = world.edit(paused=None)
    watch = world.manager.changes()
    world.store.sightings.put_nowait(Sighting(stored=resumed, version=resumed.version))
    assert await anext(watch) == Sighted(holder="", try_now=True)
    await watch.aclose()  # type: ignore[attr-defined]  # it is a generator
    await world.win()


async def test_nonsense_is_warned_of_once_and_changes_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.win()
    world.edit(paused="perhaps", step_down="now")
    for _ in range(3):
        assert await world.manager.renew(duration=15.0) == StillHeld()
    assert len(caplog.messages) == 2
    assert "k8s-leader.io/paused is 'perhaps', which is ignored" in caplog.text


async def test_a_resumption_gives_the_waiting_for_a_target_an_end(
    world: World,
) -> None:
    """
    The lease is still left to another, but no longer for ever: look again.
    """
    world.lease.write(None, Record(paused="true", switchover="b"))
    await world.manager.acquire(duration=15.0)
    resumed = world.edit(paused=None)
    watch = world.manager.changes()
    world.store.sightings.put_nowait(Sighting(stored=resumed, version=resumed.version))
    assert await anext(watch) == Sighted(holder="", try_now=True)
    await watch.aclose()  # type: ignore[attr-defined]  # it is a generator
    refused = await world.manager.acquire(duration=15.0)
    assert refused == Refused(
        retry_at=world.clock.now() + LEFT_FOR, why="it is left to b", holder=""
    )
