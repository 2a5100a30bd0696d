"""
``k8s-leader history``: the last changes of hands, as the candidates noted them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

from k8s_leader.app.lookout import View, open_lookout
from k8s_leader.app.stores import LeaseChoice
from k8s_leader.cli.lookup import (
    add_output,
    chosen_lease,
    looked_up,
    lookup_parser,
    written,
)
from k8s_leader.cli.table import table
from k8s_leader.clock import SystemClock
from k8s_leader.errors import ExitCode
from k8s_leader.observers.cluster.notes import Change, read_history

__all__ = ["history", "history_lines"]

_DESCRIPTION = """\
Show the last changes of hands of a Lease, oldest first, with the reason of each.

Leaders note them on the Lease itself (--lease-notes), eight at most; other electors
note nothing. A SQLite file keeps no history.
"""
_EXAMPLE = "  k8s-leader history reports"
_HEADERS = ("AT", "TERM", "WHAT", "WHO", "WHY")
_NONE = "no changes are noted (candidates note them with --lease-notes, the default)"


def history(argv: Sequence[str]) -> int:
    """
    Print the history of a lease.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong.
        LeaseError: there is no such lease, or it cannot be asked for.
    """
    parser = lookup_parser(
        "history",
        usage="[LEASE] [-o text|json|yaml] [flags]",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    add_output(parser)
    options, settings = looked_up(parser, argv)
    view = asyncio.run(_view(chosen_lease(settings)))
    changes = read_history(view.notes)
    if options.output == "text":
        print("\n".join(history_lines(changes)))
    else:
        print(written([asdict(change) for change in changes], options.output))
    return int(ExitCode.OK)


async def _view(choice: LeaseChoice) -> View:
    async with open_lookout(choice, clock=SystemClock()) as lookout:
        return await lookout.view(with_candidates=False)


def history_lines(changes: Sequence[Change]) -> list[str]:
    """
    Return the table of changes.
    """
    if not changes:
        return [_NONE]
    return table(_HEADERS, [(c.at, str(c.term), c.what, c.who, c.why) for c in changes])
