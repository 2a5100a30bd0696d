"""
The shortest way in: one call that runs a coroutine function on the leader only.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Unpack

from k8s_leader.app.campaign import Options, campaign
from k8s_leader.runner.term import Term

__all__ = ["run"]


def run(
    serve: Callable[[Term], Awaitable[object]],
    *,
    lease: str | None = None,
    **options: Unpack[Options],
) -> None:
    """
    Run ``serve`` in each term until SIGTERM or SIGINT; a second signal kills.

    Args:
        serve: started as leader, cancelled when the term ends; what it raises stops
            the service and surfaces. When it returns the lease is released and
            campaigned for again.
        lease: as for :func:`~k8s_leader.app.campaign.campaign`.
        **options: the same.
    """
    asyncio.run(_serve(serve, lease, options))


async def _serve(
    serve: Callable[[Term], Awaitable[object]], lease: str | None, options: Options
) -> None:
    loop = asyncio.get_running_loop()
    async with campaign(lease=lease, **options) as candidate:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, candidate.stop)
        async for term in candidate.terms():
            async with term:
                await serve(term)
