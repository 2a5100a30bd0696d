"""
``k8s-leader status``: the candidates of one lease, for people and for `helm test`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence

from k8s_leader.app.lookout import Lookout, View, open_lookout, renews
from k8s_leader.app.stores import LeaseChoice
from k8s_leader.cli.arguments import UsageError
from k8s_leader.cli.interrupt import ends_at_once
from k8s_leader.cli.lookup import (
    EXIT_CODES,
    add_output,
    chosen_lease,
    looked_up,
    lookup_parser,
    written,
)
from k8s_leader.cli.standings import document, headline, standings, status_lines
from k8s_leader.cli.table import clean, painted, wants_colour
from k8s_leader.clock import Clock, SystemClock
from k8s_leader.errors import ExitCode, LeaseUnavailableError
from k8s_leader.settings.parsers import duration, format_duration

__all__ = ["status"]

_DESCRIPTION = """\
Show all candidates of a lease: who leads, since when, and how long its lease lasts.

Standbys are listed from the labels of their Pods; that needs list on pods. Without it
(or outside Pods) only the leader is shown. Ages are told by this machine's clock.
"""
_EXAMPLE = """\
  k8s-leader status reports            # once
  k8s-leader status batch/reports -w   # on and on; Ctrl-C ends it
  k8s-leader status reports -o json | jq -r .holder
  k8s-leader status reports --expect-leader --max-age 20s && echo "it is led"\
"""
_CODES = EXIT_CODES.replace(
    "  77", "  75  --expect-leader: nobody was seen to renew in time\n  77"
)
_PAUSE = 1.0
_CLEAR = "\x1b[H\x1b[J"


def status(argv: Sequence[str]) -> int:
    """
    Show the candidates of a lease; with ``--expect-leader`` wait until one renews.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong.
        LeaseError: there is no such lease, or it cannot be asked for.
    """
    parser = lookup_parser(
        "status",
        usage="[LEASE] [-w] [-o text|json|yaml] [--expect-leader] [flags]",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        codes=_CODES,
    )
    add_output(parser)
    parser.add_argument("-w", "--watch", action="store_true", help="go on and on")
    parser.add_argument(
        "--expect-leader", action="store_true", help="wait for one that renews"
    )
    parser.add_argument(
        "--max-age", default="15s", metavar="TIME", help="how long to wait (15s)"
    )
    options, settings = looked_up(parser, argv)
    patience = _time(options.max_age) if options.expect_leader else None
    endless = ends_at_once() if options.watch else contextlib.nullcontext()
    with endless:
        return asyncio.run(_status(options, chosen_lease(settings), patience))


def _time(text: str) -> float:
    try:
        return duration(text)
    except ValueError as exc:
        raise UsageError(
            f"--max-age is {text!r}; allowed is {exc}. Fix: write --max-age 15s"
        ) from None


async def _status(
    options: argparse.Namespace, choice: LeaseChoice, patience: float | None
) -> int:
    clock = SystemClock()
    async with open_lookout(choice, clock=clock) as lookout:
        if patience is not None:
            return await _expect(lookout, patience, clock)
        if options.watch:
            await _watch(lookout, options.output, clock)
        view = await lookout.view()
        print(_shown(view, options.output, wall=clock.wall()))
        _explain_blindness(view)
    return int(ExitCode.OK)


async def _expect(lookout: Lookout, patience: float, clock: Clock) -> int:
    view, alive = await renews(lookout, clock=clock, patience=patience)
    if view is not None:
        print(clean(headline(view, wall=clock.wall())))
    else:
        print("there is no such lease")
    if alive:
        return int(ExitCode.OK)
    print(f"no leader was seen to renew within {format_duration(patience)}")
    return int(ExitCode.WAIT_TIMEOUT)


async def _watch(lookout: Lookout, output: str, clock: Clock) -> None:
    """
    Draw again and again on a terminal; elsewhere print what changed. Endless.
    """
    draws = output == "text" and sys.stdout.isatty()
    last: object = None
    _explain_blindness(await lookout.view())
    while True:
        try:
            view = await lookout.view()
        except LeaseUnavailableError as exc:
            print(f"k8s-leader: warning: {exc}", file=sys.stderr)
        else:
            now = (view.record.holder, view.record.acquire_time, standings(view))
            if draws:
                print(_CLEAR + _shown(view, output, wall=clock.wall()), flush=True)
            elif now != last:
                print(_as_line(view, output, wall=clock.wall()), flush=True)
            last = now
        await asyncio.sleep(_PAUSE)


def _as_line(view: View, output: str, *, wall: float) -> str:
    if output == "json":
        return json.dumps(document(view, wall=wall))
    if output == "yaml":
        return "---\n" + written(document(view, wall=wall), output)
    found = standings(view)
    ready = sum(one.ready is True for one in found)
    others = f"; {len(found)} candidates, {ready} ready" if view.candidates else ""
    return clean(headline(view, wall=wall) + others)


def _shown(view: View, output: str, *, wall: float) -> str:
    if output != "text":
        return written(document(view, wall=wall), output)
    wanted = wants_colour(sys.stdout, os.environ)
    return "\n".join(
        painted(clean(line), _colour(line), wanted=wanted)
        for line in status_lines(view, wall=wall)
    )


def _colour(line: str) -> str:
    if "EXPIRED" in line or "nobody leads" in line:
        return "warn"
    return {"ROLE": "faint", "lead": "good"}.get(line[:4], "")


def _explain_blindness(view: View) -> None:
    if view.blind is not None:
        print(
            f"k8s-leader: warning: standbys are not shown: {view.blind}",
            file=sys.stderr,
        )
