"""
Plain functions beside an event loop: in a daemon thread each, whatever happens.

The loop's own executor joins its threads at the end, so one function that hangs would
keep a whole application from ending.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import TypeVar, cast

from k8s_leader.runner.term import call_in

__all__ = ["in_daemon", "is_async", "until_done"]

T = TypeVar("T")


def is_async(function: Callable[..., object]) -> bool:
    """
    Tell whether it is a coroutine function, or an object that is called like one.
    """
    call = getattr(function, "__call__", None)  # noqa: B004  # an object's own method
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def in_daemon(function: Callable[[], T], *, name: str) -> asyncio.Future[T]:
    """
    Call a function in a thread that does not keep the process alive.

    Args:
        function: gets the caller's context variables.
        name: of the thread.

    Returns:
        a future of the running loop with its outcome. Cancelling it stops nothing.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return  # cancelled: nobody waits any more
        if error is not None:
            future.set_exception(_fit_for_futures(error))
        else:
            future.set_result(cast("T", result))

    def work() -> None:
        result, error = None, None
        try:
            result = context.run(function)
        except BaseException as exc:  # noqa: BLE001  # it surfaces where it is awaited
            error = exc
        call_in(loop, lambda: settle(result, error))

    threading.Thread(target=work, name=name, daemon=True).start()
    return future


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


def _fit_for_futures(exc: BaseException) -> BaseException:
    if isinstance(exc, StopIteration):  # a future refuses it
        return RuntimeError(f"the function raised {exc!r}")
    return exc
