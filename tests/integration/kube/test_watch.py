"""
The watch, when nothing goes wrong and when everything does.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest

from k8s_leader.kube import KubeSettings, LeaseApi, WatchEvent, WatchTiming
from tests.helpers.candidate import wait_until
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import QUICK, connected


class Watched:
    """
    One open watch on ``default/a``.
    """

    def __init__(self, fake: FakeKube, folder: Path, timing: WatchTiming) -> None:
        self.fake = fake
        self._settings = KubeSettings(kubeconfig=fake.kubeconfig(folder))
        self._timing = timing
        self._stack = contextlib.AsyncExitStack()
        self.leases: LeaseApi

    async def __aenter__(self) -> Self:
        context = connected(self._settings, watch_timing=self._timing)
        client = await self._stack.enter_async_context(context)
        self.leases = client.leases
        self._events = client.leases.watch("default", "a")
        await self._stack.enter_async_context(contextlib.aclosing(self._events))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def next(self) -> WatchEvent:
        async with asyncio.timeout(30):
            return await anext(self._events)

    async def kinds(self, count: int) -> list[str]:
        return [(await self.next()).kind for _ in range(count)]


def timing(**changes: float) -> WatchTiming:
    return dataclasses.replace(QUICK, **changes)


@pytest.fixture
async def fake() -> AsyncIterator[FakeKube]:
    async with FakeKube() as server:
        server.create("default/a", {"holderIdentity": "one"})
        yield server


def hold(name: str) -> Any:
    return lambda lease: lease["spec"].update(holderIdentity=name)


async def test_it_starts_with_the_present_state(fake: FakeKube, tmp_path: Path) -> None:
    async with Watched(fake, tmp_path, QUICK) as watch:
        first = await watch.next()
        assert first.kind == "current"
        assert first.lease == fake.leases["default/a"]
        assert (await watch.next()) == WatchEvent(kind="connected")
    seen = {s.verb: s.query for s in fake.requests}
    assert seen["list"] == {"fieldSelector": "metadata.name=a"}
    assert seen["watch"]["resourceVersion"] == str(fake.version)
    assert seen["watch"]["allowWatchBookmarks"] == "true"
    assert 60 <= int(seen["watch"]["timeoutSeconds"]) <= 72


async def test_nothing_is_missed_between_the_list_and_the_watch(
    fake: FakeKube, tmp_path: Path
) -> None:
    async with Watched(fake, tmp_path, QUICK) as watch:
        assert (await watch.next()).kind == "current"
        fake.edit("default/a", hold("two"))  # the watch is not open yet
        assert await watch.kinds(2) == ["connected", "changed"]


async def test_a_normal_end_is_followed_at_once_without_a_gap(
    fake: FakeKube, tmp_path: Path
) -> None:
    slow = timing(settled=0.0, pause_min=1000.0, pause_max=1000.0)
    async with Watched(fake, tmp_path, slow) as watch:
        await watch.kinds(2)
        fake.end_watches()
        assert await watch.kinds(1) == ["current"]
        fake.edit("default/a", hold("two"))
        assert await watch.kinds(1) == ["changed"]  # and never "disconnected"


async def test_a_cut_connection_is_told_and_mended(
    fake: FakeKube, tmp_path: Path
) -> None:
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(2)
        fake.drop_watches()
        assert await watch.kinds(3) == ["disconnected", "current", "connected"]


async def test_an_outage_is_told_once_however_long_it_lasts(
    fake: FakeKube, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(2)
        fake.raw(503, times=5)
        fake.drop_watches()
        assert await watch.kinds(3) == ["disconnected", "current", "connected"]
    assert len([r for r in caplog.records if "polling meanwhile" in r.message]) == 1


@pytest.mark.parametrize("lost", ["error event", "status"])
async def test_410_leads_to_a_fresh_list(
    fake: FakeKube, tmp_path: Path, lost: str
) -> None:
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(1)
        if lost == "status":
            fake.edit("default/a", hold("two"))
            fake.compact()  # what the list returned is too old now
        else:
            await watch.kinds(1)
            fake.edit("default/a", hold("two"))
            await watch.kinds(1)
            fake.expire_watches()
        again = await watch.next()
        assert again.kind == "current"
        assert again.lease == fake.leases["default/a"]
    assert fake.count("list") == 2


async def test_410_after_a_good_while_is_followed_at_once(
    fake: FakeKube, tmp_path: Path
) -> None:
    slow = timing(settled=0.0, pause_min=1000.0, pause_max=1000.0)
    async with Watched(fake, tmp_path, slow) as watch:
        await watch.kinds(2)
        fake.expire_watches()
        assert await watch.kinds(1) == ["current"]


async def test_410_for_ever_is_no_hot_loop(fake: FakeKube, tmp_path: Path) -> None:
    fake.answer(410, verb="watch", times=1000)
    async with Watched(fake, tmp_path, timing(pause_min=10.0, pause_max=10.0)) as watch:
        await watch.kinds(1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(watch._events)
    assert fake.count("watch") <= 1


@pytest.mark.slow
async def test_a_server_that_ends_every_watch_at_once_is_not_hammered(
    fake: FakeKube, tmp_path: Path
) -> None:
    fake.max_watch_seconds = 0.0
    slow = timing(pause_min=0.05, pause_max=10.0)
    least = [0.025 * 2**n for n in range(6)]  # half of each pause is by chance
    started = time.monotonic()
    async with Watched(fake, tmp_path, slow) as watch:
        while fake.count("list") < 7:
            await watch.next()
    assert time.monotonic() - started >= sum(least)


async def test_other_error_events_count_as_failures(
    fake: FakeKube, tmp_path: Path
) -> None:
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(2)
        fake.expire_watches(code=500)
        assert await watch.kinds(3) == ["disconnected", "current", "connected"]


async def test_a_silent_connection_is_given_up(fake: FakeKube, tmp_path: Path) -> None:
    async with Watched(fake, tmp_path, timing(silence=0.1)) as watch:
        await watch.kinds(2)
        fake.silent_watches = True
        assert (await watch.next()).kind == "disconnected"


@pytest.mark.slow
async def test_bookmarks_keep_a_quiet_watch_alive(tmp_path: Path) -> None:
    async with (
        FakeKube(bookmark_every=0.05) as fake,
        Watched(fake, tmp_path, timing(silence=4.0)) as watch,
    ):
        await watch.kinds(2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await anext(watch._events)
        assert fake.count("watch") == 1


@pytest.mark.parametrize(
    "event",
    [
        {"type": "MODIFIED"},
        {"type": 7, "object": None},
        {"type": "MODIFIED", "object": {"metadata": {"name": "another"}}},
        {"type": "MODIFIED", "object": None},
        {"type": "NEW-FANGLED", "object": {"metadata": {"name": "a"}}},
    ],
)
async def test_odd_events_are_skipped_or_end_the_connection(
    fake: FakeKube, tmp_path: Path, event: dict[str, Any]
) -> None:
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(2)
        fake.tell_watches(event)
        fake.edit("default/a", hold("two"))
        kinds = [(await watch.next()).kind]
        while kinds[-1] in {"disconnected", "connected"}:
            kinds.append((await watch.next()).kind)
        assert kinds[-1] in {"changed", "current"}


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'{"metadata": {}}', b'{"metadata": {}, "items": 7}']
)
async def test_a_list_that_is_none_is_a_failure(
    fake: FakeKube, tmp_path: Path, body: bytes
) -> None:
    fake.raw(200, body, verb="list")
    async with Watched(fake, tmp_path, QUICK) as watch:
        assert await watch.kinds(2) == ["current", "connected"]
    assert fake.count("list") == 2


async def test_a_watch_that_is_answered_like_no_watch_is_a_failure(
    fake: FakeKube, tmp_path: Path
) -> None:
    fake.raw(202, b"{}", verb="watch")
    async with Watched(fake, tmp_path, QUICK) as watch:
        assert await watch.kinds(3) == ["current", "current", "connected"]


@pytest.mark.slow
async def test_a_watch_that_does_not_begin_is_given_up(
    fake: FakeKube, tmp_path: Path
) -> None:
    fake.hang("watch")
    async with Watched(fake, tmp_path, timing(request=3.0)) as watch:
        assert await watch.kinds(3) == ["current", "current", "connected"]


async def test_a_missing_right_is_named_once_and_tried_slowly(
    fake: FakeKube, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake.forbidden = {"watch"}
    async with Watched(fake, tmp_path, timing(pause_max=1000.0)) as watch:
        await watch.kinds(1)
        waiting = asyncio.ensure_future(anext(watch._events))
        named = 'verbs: ["get", "update", "list", "watch"]'
        await asyncio.to_thread(wait_until, lambda: named in caplog.text)
        await asyncio.wait([waiting], timeout=0.3)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert fake.count("list") == 1
    assert caplog.text.count(named) == 1


@pytest.mark.slow
async def test_the_server_may_ask_for_a_longer_pause(
    fake: FakeKube, tmp_path: Path
) -> None:
    fake.answer(429, verb="list", Retry_After="1")
    started = time.monotonic()
    async with Watched(fake, tmp_path, timing(pause_max=0.7)) as watch:
        await watch.kinds(1)
    assert time.monotonic() - started >= 1.0


async def test_a_server_that_ignores_the_time_limit_is_left(
    fake: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from k8s_leader.kube import watch as module

    monkeypatch.setattr(module, "_GRACE", -1000.0)
    async with Watched(fake, tmp_path, timing(settled=0.0)) as watch:
        await watch.kinds(2)
        fake.edit("default/a", hold("two"))
        assert await watch.kinds(2) == ["changed", "current"]


async def test_a_refused_token_ends_in_polling_not_in_an_exception(
    fake: FakeKube, tmp_path: Path
) -> None:
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(2)
        fake.token = "another"
        fake.drop_watches()
        assert (await watch.next()).kind == "disconnected"
        fake.token = None
        assert await watch.kinds(2) == ["current", "connected"]


async def test_events_arrive_within_a_millisecond_or_so(
    fake: FakeKube, tmp_path: Path
) -> None:
    """
    The bound is wide because the machine is shared; a poll would still exceed it.
    """
    took = []
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(2)
        for turn in range(20):
            started = time.perf_counter()
            fake.edit("default/a", hold(str(turn)))
            await watch.next()
            took.append(time.perf_counter() - started)
    assert sorted(took)[10] < 0.05


async def test_an_object_of_some_megabytes_passes(
    fake: FakeKube, tmp_path: Path
) -> None:
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(2)
        big = "x" * (3 * 2**20)
        fake.edit(
            "default/a", lambda lease: lease["metadata"].update(annotations={"b": big})
        )
        event = await watch.next()
        assert event.lease is not None
        assert event.lease["metadata"]["annotations"]["b"] == big


async def test_a_rolled_back_store_shows_as_an_older_version(
    fake: FakeKube, tmp_path: Path
) -> None:
    saved = fake.snapshot()
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(2)
        fake.edit("default/a", hold("two"))
        newer = await watch.next()
        fake.roll_back(saved)
        assert (await watch.next()).kind == "disconnected"
        older = await watch.next()
    assert newer.lease is not None
    assert older.lease is not None
    versions = [
        int(e.lease["metadata"]["resourceVersion"]) for e in (older, newer) if e.lease
    ]
    assert versions[0] < versions[1]


async def test_a_cancelled_watch_leaves_no_connection(
    fake: FakeKube, tmp_path: Path
) -> None:
    async with Watched(fake, tmp_path, QUICK) as watch:
        await watch.kinds(2)
        waiting = asyncio.ensure_future(anext(watch._events))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await fake.until(lambda: fake.watchers == 0)


async def test_many_watches_of_one_client_leave_room_for_requests(
    fake: FakeKube, tmp_path: Path
) -> None:
    settings = KubeSettings(kubeconfig=fake.kubeconfig(tmp_path))
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(settings))
        for _ in range(110):  # an HTTP client's pool is 100 connections by default
            events = client.leases.watch("default", "a")
            await stack.enter_async_context(contextlib.aclosing(events))
            async with asyncio.timeout(30):
                while (await anext(events)).kind != "connected":
                    pass
        assert fake.watchers == 110
        async with asyncio.timeout(5):
            assert await client.leases.get("default", "a", timeout=5)


async def test_hundreds_of_leases_do_not_all_connect_at_the_same_time(
    fake: FakeKube, tmp_path: Path
) -> None:
    """
    Hundreds of handshakes at once end too late, and every one of them begins anew.
    """
    settings = KubeSettings(kubeconfig=fake.kubeconfig(tmp_path))
    fake.latency = 0.1
    async with connected(settings) as client, asyncio.timeout(30):
        watches = [client.leases.watch("default", "a") for _ in range(30)]
        await asyncio.gather(
            *(client.leases.get("default", "a", timeout=20.0) for _ in range(80)),
            *(anext(events) for events in watches),
        )
        for events in watches:
            await events.aclose()
    peers = {
        verb: {s.peer for s in fake.requests if s.verb == verb}
        for verb in ("get", "list")
    }
    assert len(peers["get"]) == 50
    assert len(peers["list"]) == 10
