"""
What waits for the collector does not wait for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import socket
import weakref
from collections.abc import Iterator
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from k8s_leader.app import elector, tidying
from k8s_leader.app.tidying import kept_tidy
from k8s_leader.election.timing import Timing


class Circle:
    """
    Refers to itself: only the collector frees it.
    """

    def __init__(self) -> None:
        self.itself = self


def forgotten() -> asyncio.Event:
    """
    Leave a circle behind; return what happens when it is freed.
    """
    loop, freed, circle = asyncio.get_running_loop(), asyncio.Event(), Circle()
    weakref.finalize(circle, loop.call_soon, freed.set)
    return freed


async def test_garbage_is_freed_again_and_again_though_the_collector_is_off() -> None:
    gc.disable()
    try:
        with kept_tidy(every=0.005):
            for _ in range(3):
                async with asyncio.timeout(10):
                    await forgotten().wait()
    finally:
        gc.enable()


async def test_nothing_is_tidied_after_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tidied = asyncio.Event()
    monkeypatch.setattr(tidying, "_trim", tidied.set)
    with kept_tidy(every=0.0):
        await tidied.wait()
    tidied.clear()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not tidied.is_set()


def test_a_c_library_without_malloc_trim_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    tidying._trim()


async def test_an_elector_is_kept_tidy_from_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = asyncio.Event()

    @contextlib.contextmanager
    def tidy() -> Iterator[None]:
        told.set()
        yield

    monkeypatch.setattr(elector, "kept_tidy", tidy)
    monkeypatch.setattr(elector, "configure", lambda **_: None)
    config = {"timing": asdict(Timing.derive(15.0)), "elector": {"lease": "a"}}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        running = asyncio.create_task(elector._Elector(config).run(ours))
        async with asyncio.timeout(10):
            await told.wait()
        running.cancel()
        await asyncio.wait({running})
