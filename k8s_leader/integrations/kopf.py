"""
Make a kopf operator active/passive on a Lease (extra ``k8s-leader[kopf]``).

Three ways, for the three ways of starting kopf: :func:`run` stands for ``kopf.run``,
:func:`operate` for ``kopf.operator`` inside an application, and :func:`lead` is one
line in a module that ``kopf run`` loads. In all of them handlers, daemons and timers
exist only during a term: kopf itself starts after the lease is won, and the lease is
released after kopf has ended. What does not end in time is killed with the process.

Guarantees nothing about events beyond kopf: each term begins with kopf's own listing,
as the start of a process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator
from typing import Any, Unpack
from urllib.parse import urlsplit

import kopf
from aiohttp import web

from k8s_leader.app.leader_only import at_exit
from k8s_leader.app.library import serve_terms
from k8s_leader.app.options import Options
from k8s_leader.app.standing import Standing
from k8s_leader.errors import LeaderError, SettingsError
from k8s_leader.runner.daemon import in_daemon, until_done
from k8s_leader.runner.term import Body, Signal, Term

__all__ = ["lead", "operate", "run"]

_logger = logging.getLogger(__name__)


def run(
    *,
    lease: str | None = None,
    leader: Options | None = None,
    liveness_endpoint: str | None = None,
    **options: Any,
) -> None:
    """
    Run a kopf operator in each term, until SIGTERM or SIGINT; a second signal kills.

    What ``kopf.run`` is for an operator without replicas. After a loss this process
    stays, stands by and campaigns again. Each term is a new start of kopf, in a thread
    with an event loop of its own: on a loss it is cancelled (handlers get kopf's
    ``queueing.exit_timeout``), and its cleanup handlers run.

    Args:
        lease: as for :func:`k8s_leader.campaign`.
        leader: the options of :func:`k8s_leader.campaign`.
        liveness_endpoint: as for ``kopf.run``; on standby it is answered here.
        **options: of ``kopf.operator``, handed on.

    Raises:
        SettingsError: a setting cannot work; nothing was started.
        Exception: what ended kopf; the lease is released.
    """
    stand_in = _StandIn(liveness_endpoint)

    async def serve(term: Term) -> None:
        async with stand_in.away():
            await operate(term, liveness_endpoint=liveness_endpoint, **options)

    async def stand_and_serve() -> None:
        async with stand_in:
            await serve_terms(serve, lease, leader or {})

    asyncio.run(stand_and_serve())


async def operate(term: Term, **options: Any) -> None:
    """
    Run a kopf operator until the term is over; for applications of their own.

    ::

        async with k8s_leader.campaign(lease="reports") as candidate:
            async for term in candidate.terms():
                async with term:
                    await operate(term, clusterwide=True)

    It runs in a thread with an event loop of its own, because kopf cancels what else
    it finds in its loop. Returns or raises when nothing of the operator is left.

    Args:
        term: to work under, and entered.
        **options: of ``kopf.operator``, handed on.
    """
    over = Signal()
    term.lost.add_callback(over.set)
    work = in_daemon(lambda: asyncio.run(_operator(over, options)), name="kopf")
    try:
        await asyncio.wait([work])
    finally:
        over.set()
        await until_done(work)


async def _operator(over: Signal, options: dict[str, Any]) -> None:
    async with Body(over):
        await kopf.operator(**options)


def lead(
    *,
    lease: str | None = None,
    liveness_endpoint: str | None = None,
    kopf_registry: kopf.OperatorRegistry | None = None,
    **options: Unpack[Options],
) -> None:
    """
    Let the operator of this process start only as leader; for ``kopf run``.

    To be called in the module that ``kopf run`` loads, before the first handler of
    ``kopf.on.startup`` that only the leader may run: a startup handler waits there.
    A loss ends the process (kopf is stopped by SIGTERM, and killed when it does not
    end in time), and the kubelet starts it again. The lease is released when the main
    thread has ended, so nothing of kopf is left then.

    Args:
        lease: as for :func:`k8s_leader.campaign`.
        liveness_endpoint: what ``kopf run --liveness`` was given; answered on standby.
        kopf_registry: where the startup handler goes; kopf's default one.
        **options: as for :func:`k8s_leader.campaign`.
    """

    @kopf.on.startup(id="k8s-leader", registry=kopf_registry)
    async def wait_for_leadership(**_: Any) -> None:
        try:
            standing = Standing(lease, options)
            at_exit(standing.close)
            async with _StandIn(liveness_endpoint):
                term = await standing.take_async(None)
        except LeaderError as exc:
            raise kopf.PermanentError(str(exc)) from exc
        if term is None:
            raise kopf.PermanentError("stopped before it led")
        at_exit(lambda: _retire(standing, term))
        term.lost.add_callback(_stop_process)


def _retire(standing: Standing, term: Term) -> None:
    """
    Take note that the main thread has ended, and kopf with it.
    """
    term.lost.remove_callback(_stop_process)
    standing.leave(term)


def _stop_process() -> None:
    _logger.warning("the term is over: this operator stops")
    os.kill(os.getpid(), signal.SIGTERM)


class _StandIn:
    """
    Answers the liveness probe where kopf does not run yet: alive, and standing by.

    Args:
        endpoint: ``http://HOST:PORT/PATH``; ``None``: answers nothing.

    Raises:
        SettingsError: another scheme, or no port.
    """

    def __init__(self, endpoint: str | None) -> None:
        self._runner: web.AppRunner | None = None
        self._url = urlsplit(endpoint) if endpoint else None
        if self._url and (self._url.scheme != "http" or not self._url.port):
            raise SettingsError(
                "liveness_endpoint",
                endpoint,
                allowed="http://HOST:PORT/PATH",
                fix="write it as for kopf run --liveness, with a port",
            )

    async def __aenter__(self) -> None:
        if self._url is None:
            return
        app = web.Application()
        app.add_routes([web.get(self._url.path or "/", _standby)])
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._url.hostname, self._url.port).start()

    async def __aexit__(self, *_: object) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """
        Leave the port to kopf for a while.
        """
        await self.__aexit__()
        try:
            yield
        finally:
            await self.__aenter__()


async def _standby(_: web.Request) -> web.Response:
    return web.json_response({"role": "standby"})
