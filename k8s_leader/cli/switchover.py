"""
``k8s-leader switchover``: hand the leadership to a named candidate.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from k8s_leader.app.lookout import View
from k8s_leader.cli.arguments import UsageError
from k8s_leader.cli.lookup import lookup_parser
from k8s_leader.cli.ordering import (
    CODES_WITH_WAIT,
    Order,
    add_wait,
    led_by_ours,
    order,
)
from k8s_leader.election.orders import (
    LEFT_FOR,
    SWITCHOVER,
    names,
    nonsense,
    switchover_order,
    term_name,
)
from k8s_leader.election.record import Record
from k8s_leader.errors import OrderRefusedError
from k8s_leader.observers.cluster.candidates import Candidate

__all__ = ["plan_switchover", "switchover"]

_DESCRIPTION = f"""\
Hand the leadership to one candidate. The leader stops its workload, renewing until that
is gone, then releases; for {LEFT_FOR:g}s the other candidates leave the Lease to the
target. Then anybody takes it: a target that does not come cannot keep all from leading.

Candidates are known from their Pods (list on pods); --force orders it unchecked.
The same by hand: kubectl annotate lease NAME k8s-leader.io/switchover=POD
"""
_EXAMPLE = """\
  k8s-leader switchover reports --to reports-7d4b9-x2x4z --wait\
"""


def switchover(argv: Sequence[str]) -> int:
    """
    Ask the leader to hand over; with ``--wait`` until the target leads.

    Raises:
        UsageError: the command line is wrong, or nobody can confirm.
        OrderRefusedError: the target is no candidate, or leads already.
        LeaseError: the one that fits; a missing right to list Pods too.
    """
    parser = lookup_parser(
        "switchover",
        usage="[LEASE] --to POD [--wait] [--timeout TIME] [--yes] [--force] [flags]",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        codes=CODES_WITH_WAIT,
    )
    parser.add_argument(
        "--to", metavar="POD", action=_Once, help="a Pod's name, or an identity"
    )
    parser.add_argument(
        "--force", action="store_true", help="also to what is no known candidate"
    )
    add_wait(parser)
    return order(parser, argv, plan_switchover)


class _Once(argparse.Action):
    """
    Refuses a second, other target instead of forgetting the first one.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        if before not in (None, values):
            raise UsageError(
                f"--to names two targets: {before!r} and {values!r}. Fix: name one"
            )
        setattr(namespace, self.dest, values)


def plan_switchover(view: View, options: argparse.Namespace) -> Order:
    """
    Return the order that hands the present term over.
    """
    if not options.to:
        raise UsageError("--to is missing. Fix: name a candidate, as in --to POD")
    record = led_by_ours(view)
    target, warnings = _target(view, options.to, force=options.force)
    if names(target, record.holder):
        raise OrderRefusedError(
            f"{options.to} leads {view.full_name} already; nothing was changed. "
            "Fix: name another candidate"
        )
    value = switchover_order(target, term=term_name(record.holder, record.transitions))
    odd = nonsense(Record(switchover=value))
    if odd:
        raise UsageError(f"--to is {options.to!r}. Fix: write {odd[0].allowed}")
    return Order(
        annotations={SWITCHOVER: value},
        question=f"Hand over from {record.holder} to {target}?",
        done=f"{record.holder} was asked to hand over to {target}",
        warnings=warnings,
        happened=lambda now: names(target, now.holder),
    )


def _target(view: View, to: str, *, force: bool) -> tuple[str, tuple[str, ...]]:
    """
    Return how the order names the target, and what speaks against it.

    By its Pod's name where that is enough: the identity is another one as soon as its
    container starts again, and an order to somebody who is no more would only make
    everybody wait.
    """
    if view.blind is not None and not force:
        raise view.blind
    known = list(view.candidates or ())
    found = next((c for c in known if to in (c.pod, c.identity)), None)
    if found is None:
        if not force:
            raise OrderRefusedError(_unknown(view, to, known))
        return to, (f"{to} is no known candidate; others wait {LEFT_FOR:g}s for it",)
    if found.leaving and not force:
        raise OrderRefusedError(
            f"{to} is being deleted; nothing was changed. Fix: name another candidate"
        )
    unready = () if found.ready else (f"the Pod {found.pod} is not ready",)
    if not found.identity or names(to, found.identity):
        return to, unready
    return found.identity, unready


def _unknown(view: View, to: str, known: Sequence[Candidate]) -> str:
    there = ", ".join(c.pod for c in known) or "none"
    return (
        f"{to} is no candidate of {view.full_name}; nothing was changed. Known are: "
        f"{there}. Fix: name one of them, or add --force"
    )
