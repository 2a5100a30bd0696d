"""
The heartbeat: a periodic call that tells a standby as well as a leader what it is.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from k8s_leader.errors import HeartbeatError
from k8s_leader.runner.daemon import in_daemon, is_async
from k8s_leader.runner.term import Signal

__all__ = ["Heartbeat", "beat"]

Heartbeat = Callable[[bool, Signal], Awaitable[object] | object]
"""``(is_leader, token)``; a stop token: ``is_set()``, ``await token``."""


async def beat(
    heartbeat: Heartbeat, *, every: float, is_leader: Callable[[], bool], token: Signal
) -> None:
    """
    Call the heartbeat now and every ``every`` seconds until the token is set.

    A plain callback runs in a worker thread. There are never two at once: one that
    takes longer than the interval delays the next.

    Raises:
        HeartbeatError: the callback raised; its error is the cause.
    """
    while not token.is_set():
        try:
            await _call(heartbeat, is_leader(), token)
        except Exception as exc:
            raise HeartbeatError(f"the heartbeat failed: {exc!r}") from exc
        try:
            async with asyncio.timeout(every):
                await token
        except TimeoutError:
            continue


async def _call(heartbeat: Heartbeat, leads: bool, token: Signal) -> None:
    if is_async(heartbeat):
        answer = heartbeat(leads, token)
    else:
        answer = await in_daemon(
            lambda: heartbeat(leads, token), name="leader-heartbeat"
        )
    if inspect.isawaitable(answer):
        await answer
