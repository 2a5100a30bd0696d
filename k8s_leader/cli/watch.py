"""
``k8s-leader watch``: one line per change of a lease, as it happens.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from k8s_leader.app.lookout import annotations_of, open_lookout
from k8s_leader.app.stores import LeaseChoice
from k8s_leader.cli.interrupt import ends_at_once
from k8s_leader.cli.lookup import EXIT_CODES, chosen_lease, looked_up, lookup_parser
from k8s_leader.cli.watched import Told, Watched
from k8s_leader.clock import Clock, SystemClock
from k8s_leader.errors import ExitCode
from k8s_leader.leases.port import Sighting

__all__ = ["watch"]

_DESCRIPTION = """\
Print one line for each change of a lease as it happens: what, who, and why.

It also says when a leader stops renewing, judged as standbys do: by how long this
machine saw no change. Ctrl-C ends it. Needs get, list and watch on the Lease.
"""
_EXAMPLE = """\
  k8s-leader watch reports
  k8s-leader watch reports -o json | while read -r change; do ./notify "$change"; done\
"""
_CODES = EXIT_CODES.replace("   0  it was done", " 130  Ctrl-C ended it")


def watch(argv: Sequence[str]) -> int:
    """
    Print changes of a lease until interrupted.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong.
        LeaseError: there is no such lease, or it cannot be asked for.
    """
    parser = lookup_parser(
        "watch",
        usage="[LEASE] [-o text|json] [flags]",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        codes=_CODES,
    )
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="the format"
    )
    options, settings = looked_up(parser, argv)
    with ends_at_once():
        asyncio.run(_watch(chosen_lease(settings), options.output))
    return int(ExitCode.OK)


async def _watch(choice: LeaseChoice, output: str) -> None:
    clock = SystemClock()
    async with open_lookout(choice, clock=clock) as lookout:
        watched = Watched()
        async for sighting in _with_silence(lookout.changes(), watched, clock):
            told = (
                watched.silent(wall=clock.wall())
                if sighting is None
                else watched.seen(
                    sighting,
                    notes=annotations_of(sighting.stored) if sighting.stored else {},
                    now=clock.now(),
                    wall=clock.wall(),
                )
            )
            if told is not None:
                print(_line(told, output), flush=True)


async def _with_silence(
    changes: AsyncIterator[Sighting], watched: Watched, clock: Clock
) -> AsyncIterator[Sighting | None]:
    """
    Yield sightings, and ``None`` when the leader was silent for its whole lease.
    """
    coming = asyncio.create_task(_next(changes), name="watch")
    try:
        while True:
            expiry = watched.expires_at
            limit = None if expiry is None else max(0.0, expiry - clock.now())
            done, _ = await asyncio.wait([coming], timeout=limit)
            if not done:
                yield None
                continue
            sighting = coming.result()
            coming = asyncio.create_task(_next(changes), name="watch")
            yield sighting
    finally:
        coming.cancel()
        await asyncio.wait([coming])


async def _next(changes: AsyncIterator[Sighting]) -> Sighting:
    return await anext(changes)


def _line(told: Told, output: str) -> str:
    if output == "text":
        return str(told)
    document: dict[str, Any] = told.document()
    return json.dumps(document)
