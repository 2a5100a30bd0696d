"""
What a term and its signals do where tasks, threads and losses cross.
"""

from __future__ import annotations

import asyncio
import pickle

import pytest

from k8s_leader.election.grant import Grant
from k8s_leader.errors import LeadershipLostError
from k8s_leader.runner.term import Body, Signal, Term
from k8s_leader.testing.clock import FakeClock


class Owner:
    def __init__(self) -> None:
        self.finished: list[Term] = []

    def finish(self, term: Term) -> None:
        self.finished.append(term)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now=1000.0)


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def term(clock: FakeClock, owner: Owner) -> Term:
    grant = Grant(token=7, sent=1000.0, stop_at=1010.0, until=1013.0)
    return Term(grant=grant, identity="a_1", clock=clock, owner=owner)


def test_a_term_that_was_lost_or_has_run_out_raises(
    term: Term, clock: FakeClock
) -> None:
    term.raise_if_lost()
    clock.advance(13.0)
    with pytest.raises(LeadershipLostError, match="a_1"):
        term.raise_if_lost()
    clock.set(now=1000.0)
    term.lost.set()
    with pytest.raises(LeadershipLostError):
        term.raise_if_lost()


async def test_what_raise_if_lost_raised_ends_the_body_quietly(
    term: Term, owner: Owner
) -> None:
    async with term:
        term.lost.set()
        term.raise_if_lost()
    assert owner.finished == [term]


def test_a_term_cannot_be_pickled_and_says_what_to_hand_on(term: Term) -> None:
    with pytest.raises(TypeError, match="fencing_token"):
        pickle.dumps(term)


async def test_a_body_that_swallows_its_cancellation_just_ends(term: Term) -> None:
    swallowed = False
    async with term:
        term.lost.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed = True
    assert swallowed
    await asyncio.sleep(0)  # nothing is left to be delivered
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_from_elsewhere_is_not_lost_in_the_terms_own(
    term: Term,
) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with term:
            inside.set()
            for _ in range(2):
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    continue

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    await asyncio.sleep(0)
    term.lost.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_loss_at_the_moment_of_leaving_cancels_nothing(term: Term) -> None:
    async with term:
        term.lost.set()  # its cancellation is under way, but not here yet
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_body_needs_a_task() -> None:
    raised: list[Exception] = []

    def outside_of_tasks() -> None:
        try:
            Body(Signal())
        except RuntimeError as exc:
            raised.append(exc)

    loop = asyncio.get_running_loop()
    loop.call_soon(outside_of_tasks)
    await asyncio.sleep(0)
    assert "needs a task" in str(raised[0])


async def test_who_stops_to_await_a_signal_at_the_last_moment_is_left_alone() -> None:
    signal = Signal()

    async def wait() -> None:
        await signal

    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0)
    signal.set()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await asyncio.sleep(0)
    await signal  # others are not affected


def test_a_callback_is_called_once_or_not_at_all_when_it_was_removed() -> None:
    signal, called = Signal(), []
    signal.add_callback(lambda: called.append("first"))
    forgotten = lambda: called.append("forgotten")  # noqa: E731  # removed by identity
    signal.add_callback(forgotten)
    signal.remove_callback(forgotten)
    signal.remove_callback(forgotten)
    signal.set()
    signal.set()
    signal.add_callback(lambda: called.append("late"))
    assert called == ["first", "late"]
