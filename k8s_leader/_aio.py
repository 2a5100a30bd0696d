"""
Between threads and event loops: what several layers need, and none of them owns.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar, cast

__all__ = ["call_in", "in_daemon"]

T = TypeVar("T")


def call_in(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """
    Call something in another thread's loop; a closed loop needs nothing any more.
    """
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)


def in_daemon(function: Callable[[], T], *, name: str) -> asyncio.Future[T]:
    """
    Call a function in a thread that does not keep the process alive.

    The loop's own executor joins its threads at the end, so one function that hangs
    would keep a whole application from ending; and it has only so many threads, for
    which others would have to wait.

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


def _fit_for_futures(exc: BaseException) -> BaseException:
    if isinstance(exc, StopIteration):  # a future refuses it
        return RuntimeError(f"the function raised {exc!r}")
    return exc
