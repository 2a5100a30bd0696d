"""
The shortest ways in: one call, or a decorator, for what only the leader may do.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar, Unpack, cast

from k8s_leader.app.campaign import Candidate, campaign
from k8s_leader.app.options import Options
from k8s_leader.errors import LeadershipLostError
from k8s_leader.runner.daemon import in_daemon, until_done
from k8s_leader.runner.term import Term

__all__ = ["leader_only", "run"]

P = ParamSpec("P")
T = TypeVar("T")


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
    asyncio.run(_serve(serve, lease, options))


async def _serve(
    serve: Callable[[Term], Awaitable[object] | object],
    lease: str | None,
    options: Options,
) -> None:
    async with campaign(lease=lease, **options) as candidate:
        with _signals(candidate):
            async for term in candidate.terms():
                async with term:
                    await _call(serve, term)


def leader_only(
    *, lease: str | None = None, **options: Unpack[Options]
) -> Callable[[Callable[Concatenate[Term, P], T]], Callable[P, T]]:
    """
    Decorate a function that only the leader may run; it gets the term first.

    Each call waits for leadership, runs the function once, releases the lease and
    returns what the function returned. A plain function runs in a thread and has to
    end when ``term.lost`` happens; a coroutine function is cancelled.

    Args:
        lease: as for :func:`~k8s_leader.app.campaign.campaign`.
        **options: the same.

    Raises:
        LeadershipLostError: from the call: it was stopped before it led, or the term
            ended before the function did.
        SettingsError: from the call: a setting cannot work.
    """

    def decorate(function: Callable[Concatenate[Term, P], T]) -> Callable[P, T]:
        if _is_async(function):

            @functools.wraps(function)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                return await _once(lambda term: function(term, *args, **kwargs))

            return cast("Callable[P, T]", awaited)

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> Any:
            return asyncio.run(
                _once(lambda term: _in_thread(function, term, *args, **kwargs))
            )

        return called

    async def _once(work: Callable[[Term], Any]) -> Any:
        async with campaign(lease=lease, **options) as candidate:
            with _signals(candidate):
                async for term in candidate.terms():
                    async with term:
                        return await work(term)
                    raise LeadershipLostError("the term ended before the work did")
        raise LeadershipLostError("stopped before there was a term to work in")

    return decorate


def _is_async(function: Callable[..., object]) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004  # an object's own method
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


async def _call(function: Callable[[Term], Any], term: Term) -> None:
    await (function(term) if _is_async(function) else _in_thread(function, term))


async def _in_thread(
    function: Callable[..., Any], term: Term, *args: object, **kwargs: object
) -> Any:
    """
    Run a plain function in a thread, and wait for its end whatever happens.
    """
    work = in_daemon(lambda: function(term, *args, **kwargs), name="leader-workload")
    result = await until_done(work)
    return await result if inspect.isawaitable(result) else result


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
