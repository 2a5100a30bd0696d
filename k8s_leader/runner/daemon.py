"""
Plain functions beside an event loop: in a daemon thread each, whatever happens.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TypeVar

from k8s_leader._aio import in_daemon

__all__ = ["in_daemon", "is_async", "until_done"]

T = TypeVar("T")


def is_async(function: Callable[..., object]) -> bool:
    """
    Tell whether it is a coroutine function, or an object that is called like one.
    """
    call = getattr(function, "__call__", None)  # noqa: B004  # an object's own method
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


async def until_done(future: asyncio.Future[T]) -> T:
    """
    Wait for a thread's outcome even when cancelled: a thread cannot be.

    Raises:
        CancelledError: afterwards, if this task was cancelled meanwhile.
    """
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is not None and future.exception() is None:
        raise cancelled
    return future.result()
