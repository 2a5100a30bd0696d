from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from k8s_leader.election.events import State
from k8s_leader.observers.command import run_command
from k8s_leader.observers.health import Check, Health, Pace, exec_check, file_check
from k8s_leader.observers.hooks import Hooks
from k8s_leader.observers.port import PauseSeen, StateChanged, WorkloadStarted
from k8s_leader.testing.clock import FakeClock

STARTED = WorkloadStarted(token=1, pid=2)


def changed(before: State, after: State) -> StateChanged:
    return StateChanged(before=before, after=after, reason="", token=1, holder="")


OVER = changed(State.STOPPING, State.RELEASING)
LOST = changed(State.LEADING, State.STOPPING)


def hooks(
    told: Path, *, timeout: float = 10.0, lasts: float = 0.1, is_up: bool = False
) -> Hooks:
    return Hooks(
        started=["sh", "-c", f"sleep {lasts}; echo up >> {told}"],
        stopped=["sh", "-c", f"echo down >> {told}"],
        timeout=timeout,
        environ=lambda: os.environ,
        is_up=is_up,
    )


async def test_hooks_run_one_after_the_other_in_their_order(tmp_path: Path) -> None:
    told = tmp_path / "told"
    both = hooks(told)
    both.on_notice(STARTED)
    both.on_notice(STARTED)
    both.on_notice(OVER)
    both.on_notice(OVER)
    await both.finish(patience=10.0)
    assert told.read_text().split() == ["up", "down"]


async def test_a_term_that_an_earlier_elector_began_is_not_greeted_again(
    tmp_path: Path,
) -> None:
    told = tmp_path / "told"
    both = hooks(told, is_up=True)
    both.on_notice(STARTED)
    both.on_notice(OVER)
    await both.finish(patience=10.0)
    assert told.read_text().split() == ["down"]


async def test_a_workload_that_never_ran_is_not_mourned(tmp_path: Path) -> None:
    both = hooks(tmp_path / "told")
    both.on_notice(OVER)
    await both.finish(patience=0.0)
    assert not (tmp_path / "told").exists()


async def test_the_end_of_a_candidacy_waits_no_longer_than_it_wants(
    tmp_path: Path,
) -> None:
    both = hooks(tmp_path / "told", timeout=1000.0, lasts=600.0)
    both.on_notice(STARTED)
    await both.finish(patience=0.0)
    assert not (tmp_path / "told").exists()


async def test_a_command_that_takes_too_long_is_killed_with_its_children(
    tmp_path: Path,
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        command = ["sh", "-c", f"sleep 600 > {fifo} & wait"]
        error = await run_command(command, environ=os.environ, timeout=3.0)
        assert error == "sh took longer than 3 s and was killed"
        await asyncio.wait_for(_closed(reader), 10)
    finally:
        os.close(reader)


async def _closed(reader: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(reader, ended.set)
    await ended.wait()
    loop.remove_reader(reader)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (["true"], ""),
        ([sys.executable, "-c", "raise SystemExit(3)"], "ended with 3"),
        (["/nonexistent/x"], "No such file"),
        (["a\0b"], "null byte"),
    ],
)
async def test_a_command_is_told_in_words(command: list[str], error: str) -> None:
    said = await run_command(command, environ=os.environ, timeout=30.0)
    assert error in said
    assert bool(error) == bool(said)


def answers(*errors: str, then: Callable[[], None] = lambda: None) -> Check:
    """
    Return a check that answers with these and calls ``then`` when they are told.
    """
    left = list(errors)

    async def check(_: float) -> str:
        if not left:
            then()
            await asyncio.Event().wait()
        return left.pop(0)

    return check


def health(
    checks: Iterable[Check], told: Callable[[str, float], None], clock: FakeClock
) -> Health:
    pace = Pace(every=0.0, timeout=1.0, failures=2, backoff=30.0)
    return Health(list(checks), pace=pace, clock=clock, step_down=told)


async def test_only_failures_in_a_row_make_a_leader_step_down() -> None:
    over = asyncio.Event()
    stepped: list[float] = []
    check = answers("ill", "", "ill", "", then=over.set)
    watch = health([check], lambda _, backoff: stepped.append(backoff), FakeClock())
    watch.on_notice(STARTED)
    await asyncio.wait_for(over.wait(), 10)
    watch.on_notice(LOST)
    assert stepped == []


async def test_while_paused_an_ill_leader_stays_and_after_it_steps_down() -> None:
    stepped: list[float] = []
    due = asyncio.Event()
    looked = 0

    def told(_: str, backoff: float) -> None:
        stepped.append(backoff)
        due.set()

    async def ill(_: float) -> str:
        nonlocal looked
        looked += 1
        if looked == 9:
            assert stepped == []
            watch.on_notice(PauseSeen(paused=False))
        return "ill"

    watch = health([ill], told, FakeClock())
    watch.on_notice(PauseSeen(paused=True))
    watch.on_notice(STARTED)
    await asyncio.wait_for(due.wait(), 10)
    assert looked == 9


async def test_the_backoff_doubles_up_to_sixteen_times_and_forgets_a_good_term() -> (
    None
):
    clock, stepped, due = FakeClock(), list[float](), asyncio.Event()

    def told(_: str, backoff: float) -> None:
        stepped.append(backoff)
        due.set()

    async def ill(_: float, *, after: float) -> str:
        clock.set(now=clock.now() + after)
        return "ill"

    pause = 0.0
    watch = health([lambda left: ill(left, after=pause)], told, clock)
    for _ in range(6):
        await _term(watch, due)
    pause = 1000.0
    await _term(watch, due)
    assert stepped == [30.0, 60.0, 120.0, 240.0, 480.0, 480.0, 30.0]


async def _term(watch: Health, due: asyncio.Event) -> None:
    due.clear()
    watch.on_notice(STARTED)
    await asyncio.wait_for(due.wait(), 10)
    watch.on_notice(LOST)


async def test_one_failing_check_of_many_is_enough_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    due = asyncio.Event()
    checks = [
        exec_check(["true"], lambda: os.environ),
        exec_check(["false"], lambda: os.environ),
    ]
    watch = health(checks, lambda *_: due.set(), FakeClock())
    watch.on_notice(STARTED)
    await asyncio.wait_for(due.wait(), 30)
    assert "unhealthy: false ended with 1 (1 more: it steps down)" in caplog.text


async def test_a_file_is_healthy_while_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    look = partial(file_check(str(file), every=10.0), 5.0)
    assert "No such file" in await look()
    file.touch()
    assert await look() == ""
    os.utime(file, (time.time() - 60, time.time() - 60))
    assert "s old" in await look()
