"""
The shortest way in: one call for a service that only the leader may run.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Unpack

from k8s_leader.app.campaign import Candidate, campaign
from k8s_leader.app.options import Options
from k8s_leader.runner.daemon import in_daemon, is_async, until_done
from k8s_leader.runner.term import Term

__all__ = ["run", "serve_terms"]


def run(
    serve: Callable[[Term], Awaitable[object] | object],
    *,
    lease: str | None = None,
    **options: Unpack[Options],
) -> None:
    """
    Run ``serve`` in each term until SIGTERM or SIGINT; a second signal kills.

    Args:
        serve: started as leader. A coroutine function is cancelled when the term
            ends; a plain one runs in a thread and has to end when ``term.lost``
            happens. What it raises stops the service and surfaces. When it returns
            the lease is released and campaigned for again.
        lease: as for :func:`~k8s_leader.app.campaign.campaign`.
        **options: the same.

    Raises:
        SettingsError: a setting cannot work; nothing was started.
    """
    asyncio.run(serve_terms(serve, lease, options))


async def serve_terms(
    serve: Callable[[Term], Awaitable[object] | object],
    lease: str | None,
    options: Options,
) -> None:
    """
    Do what :func:`run` does, inside a loop of the caller's.
    """
    async with campaign(lease=lease, **options) as candidate:
        with _signals(candidate):
            async for term in candidate.terms():
                async with term:
                    await _call(serve, term)


async def _call(function: Callable[[Term], Any], term: Term) -> None:
    await (function(term) if is_async(function) else _in_thread(function, term))


async def _in_thread(function: Callable[[Term], Any], term: Term) -> None:
    """
    Run a plain function in a thread, and wait for its end whatever happens.
    """
    work = in_daemon(lambda: function(term), name="leader-workload")
    result = await until_done(work)
    if inspect.isawaitable(result):
        await result


@contextlib.contextmanager
def _signals(candidate: Candidate) -> Iterator[None]:
    """
    Let SIGTERM and SIGINT stop the candidate, where signals can be handled.
    """
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    ours = []
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, candidate.stop)
                ours.append(number)
    try:
        yield
    finally:
        for number in ours:
            loop.remove_signal_handler(number)
