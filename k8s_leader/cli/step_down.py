"""
``k8s-leader step-down``: ask the leader to leave, whoever comes next.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from k8s_leader.app.lookout import View
from k8s_leader.cli.lookup import lookup_parser
from k8s_leader.cli.ordering import (
    CODES_WITH_WAIT,
    Order,
    add_wait,
    led_by_ours,
    order,
)
from k8s_leader.election.orders import STEP_DOWN, term_name
from k8s_leader.election.record import Record

__all__ = ["plan_step_down", "step_down"]

_DESCRIPTION = """\
Ask the leader of a Lease to leave. It stops its workload, renewing until that is gone,
then releases, and stays out for a while (4s); any other candidate takes over in
milliseconds. The order names the very term: a later leader is not deposed by it.

The same by hand: kubectl annotate lease NAME k8s-leader.io/step-down=true
"""
_EXAMPLE = """\
  k8s-leader step-down reports --wait
  k8s-leader step-down batch/reports --yes --wait --timeout 2m || echo "still there"\
"""


def step_down(argv: Sequence[str]) -> int:
    """
    Ask the leader to leave; with ``--wait`` until another term began.

    Raises:
        UsageError: the command line is wrong, or nobody can confirm.
        OrderRefusedError: there is no leader that could obey.
        LeaseError: the one that fits.
    """
    parser = lookup_parser(
        "step-down",
        usage="[LEASE] [--wait] [--timeout TIME] [--yes] [flags]",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        codes=CODES_WITH_WAIT,
    )
    add_wait(parser)
    return order(parser, argv, plan_step_down)


def plan_step_down(view: View, _options: argparse.Namespace) -> Order:
    """
    Return the order that ends the present term.
    """
    record = led_by_ours(view)
    others = [c for c in view.candidates or () if c.identity != record.holder]
    alone = view.candidates is not None and not others
    return Order(
        annotations={STEP_DOWN: term_name(record.holder, record.transitions)},
        question=f"Ask {record.holder} to step down?",
        done=f"{record.holder} was asked to step down",
        warnings=("no other candidate is known: it will lead again soon",)
        if alone
        else (),
        happened=lambda now: _is_another_term(record, now),
    )


def _is_another_term(before: Record, now: Record) -> bool:
    same = (now.holder, now.acquire_time) == (before.holder, before.acquire_time)
    return not now.is_free and not same
