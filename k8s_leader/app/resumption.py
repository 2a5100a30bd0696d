"""
How a new elector goes on with the term that its guard runs (S16).
"""

from __future__ import annotations

import asyncio
from typing import Any

from k8s_leader.clock import Clock
from k8s_leader.election.grant import Grant
from k8s_leader.election.record import TermId
from k8s_leader.errors import LeaseUnavailableError
from k8s_leader.leases.port import Held, LeaseManager

__all__ = ["adopt", "grant_of"]


def grant_of(running: dict[str, Any]) -> Grant:
    """
    Return the grant of the term in a guard's hello.
    """
    names = ("token", "sent", "stop_at", "until")
    return Grant(**{name: running[name] for name in names})


async def adopt(
    running: dict[str, Any], manager: LeaseManager, *, clock: Clock
) -> Held | None:
    """
    Take a running term over if the record is of that very term.

    Args:
        running: the term in the guard's hello.
        manager: of the lease.
        clock: boot-time clock.

    Returns:
        What is held; ``None``: the record is another term's.

    Raises:
        LeaseUnavailableError: the store did not say so before the grant ended.
    """
    term = TermId(
        identity=manager.identity,
        uid=running["uid"],
        acquire_time=running["acquire_time"],
        transitions=running["transitions"],
    )
    token = running["token"]
    try:
        async with asyncio.timeout(max(0.0, running["until"] - clock.now())):
            same = await manager.adopt(term, token=token)
    except TimeoutError:
        raise LeaseUnavailableError(
            "the store did not answer while the running term could be continued"
        ) from None
    return Held(token=token, term=term) if same else None
