"""
Plain functions in threads, heartbeats, and what is reported before the loop runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from k8s_leader.clock import SystemClock
from k8s_leader.election.events import Stop
from k8s_leader.election.timing import Timing
from k8s_leader.errors import HeartbeatError
from k8s_leader.leases.memory import InMemoryLeaseManager, MemoryLease
from k8s_leader.leases.port import LeaseManager
from k8s_leader.runner.daemon import in_daemon, until_done
from k8s_leader.runner.heartbeat import beat
from k8s_leader.runner.inprocess import InProcessWorkload
from k8s_leader.runner.term import Signal, Term
from k8s_leader.runner.thread import ElectionThread

TIMING = Timing.derive(15.0)


async def test_a_thread_that_nobody_waits_for_any_more_ends_in_silence() -> None:
    go = threading.Event()

    def work() -> int:
        assert go.wait(20)
        return 1

    future = in_daemon(work, name="test")
    future.cancel()
    go.set()
    thread = next((t for t in threading.enumerate() if t.name == "test"), None)
    if thread is not None:
        await asyncio.to_thread(thread.join, 20)
    await asyncio.sleep(0)  # its outcome arrives, and is dropped
    assert future.cancelled()


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancelled_wait_lasts_until_the_thread_is_done(*, fails: bool) -> None:
    go = threading.Event()

    def work() -> int:
        assert go.wait(20)
        return 1 // (0 if fails else 1)

    waiter = asyncio.create_task(until_done(in_daemon(work, name="test")))
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.sleep(0)
    assert not waiter.done()
    go.set()
    with pytest.raises(ZeroDivisionError if fails else asyncio.CancelledError):
        await waiter


async def test_a_stop_iteration_of_a_function_surfaces_as_a_runtime_error() -> None:
    def work() -> None:
        next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        await in_daemon(work, name="test")


async def test_a_plain_heartbeat_beats_in_a_thread_of_its_own() -> None:
    token, heard = Signal(), []

    def heartbeat(is_leader: bool, stopping: Signal) -> None:
        heard.append((is_leader, threading.current_thread().name))
        if len(heard) == 3:
            stopping.set()

    await beat(heartbeat, every=0.001, is_leader=lambda: True, token=token)
    assert heard == [(True, "leader-heartbeat")] * 3


async def test_a_plain_heartbeat_that_raises_is_a_heartbeat_error() -> None:
    def heartbeat(is_leader: bool, stopping: Signal) -> None:
        raise ValueError("no pulse")

    with pytest.raises(HeartbeatError, match="no pulse"):
        await beat(heartbeat, every=30.0, is_leader=lambda: False, token=Signal())


def test_a_stop_that_comes_before_the_thread_runs_is_not_lost() -> None:
    """
    Reported before the election began: it ends without ever having led.
    """
    ended = threading.Event()
    errors: list[BaseException | None] = []
    lease, clock = MemoryLease(), SystemClock()

    @asynccontextmanager
    async def open_manager() -> AsyncIterator[LeaseManager]:
        yield InMemoryLeaseManager(
            lease, identity="a_1", clock=clock, lease_duration=15.0
        )

    def on_end(error: BaseException | None) -> None:
        errors.append(error)
        ended.set()

    terms: list[Term] = []
    workload = InProcessWorkload(
        identity="a_1",
        clock=clock,
        deliver=terms.append,
        report=lambda event: election.report(event),  # noqa: PLW0108  # made below
        hard_stop=None,
        backoff=1.0,
    )
    election = ElectionThread(
        open_manager=open_manager,
        workload=workload,
        clock=clock,
        timing=lambda: TIMING,
        on_end=on_end,
    )
    election.report(Stop())
    election.start()
    assert ended.wait(20)
    assert errors == [None]
    assert terms == []
    assert lease.holder == ""
