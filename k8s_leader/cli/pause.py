"""
``k8s-leader pause``: everybody stays where it is, until further notice.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from k8s_leader.app.lookout import View
from k8s_leader.cli.lookup import lookup_parser
from k8s_leader.cli.ordering import CODES, Order, order
from k8s_leader.cli.standings import owner
from k8s_leader.election.orders import PAUSED, is_paused

__all__ = ["pause", "plan_pause"]

_PAUSE = """\
Pause the election of a Lease: no candidate of k8s-leader takes it, and the leader does
not leave voluntarily, until `k8s-leader resume`. The leader renews on. One that cannot
renew still stops, and one whose Pod is deleted still releases: then NOBODY leads until
you resume. Electors of others that share the Lease do not obey.

The same by hand: kubectl annotate lease NAME k8s-leader.io/paused=true
"""


def pause(argv: Sequence[str]) -> int:
    """
    Pause the election.

    Raises:
        UsageError: the command line is wrong, or nobody can confirm.
        LeaseError: the one that fits.
    """
    parser = lookup_parser(
        "pause",
        usage="[LEASE] [--yes] [flags]",
        description=_PAUSE,
        example="  k8s-leader pause batch/reports --yes",
        codes=CODES,
    )
    return order(parser, argv, plan_pause)


def plan_pause(view: View, _options: argparse.Namespace) -> Order:
    """
    Return the order that pauses.
    """
    paused = is_paused(view.record)
    return Order(
        annotations={} if paused else {PAUSED: "true"},
        question=f"Pause {view.full_name}? If its leader stops, nobody leads.",
        done=f"{view.full_name} is paused{' already' if paused else ''}",
        warnings=_warnings(view),
    )


def _warnings(view: View) -> tuple[str, ...]:
    record = view.record
    if owner(record) == "foreign":
        return (f"{record.holder} is another elector's candidate and does not obey",)
    if record.our_holder is not None and not record.last_holder_was_ours:
        return ("another elector shares this Lease and does not obey",)
    if record.is_free:
        return ("nobody leads, and nobody will until you resume",)
    return ()
