"""
``k8s-leader resume``: take a pause back.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from k8s_leader.app.lookout import View
from k8s_leader.cli.lookup import lookup_parser
from k8s_leader.cli.ordering import CODES, Order, order
from k8s_leader.election.orders import PAUSED

__all__ = ["plan_resume", "resume"]

_RESUME = """\
Take a pause back: candidates take a free or expired Lease again, at once.

The same by hand: kubectl annotate lease NAME k8s-leader.io/paused-
"""


def resume(argv: Sequence[str]) -> int:
    """
    Let the election go on.

    Raises:
        UsageError: the command line is wrong, or nobody can confirm.
        LeaseError: the one that fits.
    """
    parser = lookup_parser(
        "resume",
        usage="[LEASE] [--yes] [flags]",
        description=_RESUME,
        example="  k8s-leader resume batch/reports --yes",
        codes=CODES,
    )
    return order(parser, argv, plan_resume)


def plan_resume(view: View, _options: argparse.Namespace) -> Order:
    """
    Return the order that takes a pause back, or what was typed instead of one.
    """
    written = view.record.paused is not None
    return Order(
        annotations={PAUSED: None} if written else {},
        question=f"Resume the election of {view.full_name}?",
        done=f"{view.full_name} is {'resumed' if written else 'not paused'}",
    )
