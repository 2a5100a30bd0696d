"""
What the commands that order something share: look, ask, write, wait, look again.

What to order is planned by a pure function of what was seen. It plans again on what
the Lease says at the very moment of writing; if that is another order than the one
that was shown and confirmed, nothing is written.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import field, replace

from k8s_leader.app.lease_orders import Orders, check_takes_orders, give_orders
from k8s_leader.app.lookout import Lookout, View, open_lookout
from k8s_leader.app.stores import LeaseChoice
from k8s_leader.cli.arguments import Parser, UsageError
from k8s_leader.cli.lookup import chosen_lease, looked_up
from k8s_leader.cli.standings import owner, status_lines
from k8s_leader.cli.table import clean
from k8s_leader.clock import Clock, SystemClock
from k8s_leader.election.orders import is_paused
from k8s_leader.election.record import Record
from k8s_leader.errors import ExitCode, OrderRefusedError
from k8s_leader.settings.parsers import duration, format_duration
from k8s_leader.values import dataclass

__all__ = ["CODES", "CODES_WITH_WAIT", "Order", "add_wait", "led_by_ours", "order"]

CODES = """\
exit codes:
   0  it was done, or was so already
  65  nothing was changed: it contradicts what is the case, or you said no
  66  there is no such Lease
  69  the API server does not answer
  77  a right is missing: the rule to add is printed
  78  the command line or a setting is wrong"""

CODES_WITH_WAIT = CODES.replace(
    "  77", "  75  --wait: it was ordered, but did not happen in time\n  77"
)

_LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """
    What is to be written, and what people are told.

    Attributes:
        annotations: what to write; empty: it is so already.
        question: asked before.
        done: said afterwards, or instead.
        warnings: said before the question.
        happened: tells from the record whether it was obeyed, for ``--wait``.
    """

    annotations: Orders
    question: str
    done: str
    warnings: tuple[str, ...] = ()
    happened: Callable[[Record], bool] | None = field(default=None, compare=False)


Plan = Callable[[View, argparse.Namespace], Order]


def add_wait(parser: Parser) -> None:
    """
    Let a parser know ``--wait`` and ``--timeout``.
    """
    parser.add_argument("--wait", action="store_true", help="wait until it happened")
    parser.add_argument(
        "--timeout", default="60s", metavar="TIME", help="how long to wait (60s)"
    )


def order(parser: Parser, argv: Sequence[str], plan: Plan) -> int:
    """
    Order something, after a look and a confirmation; return the exit status.

    Args:
        parser: of the command.
        argv: its words.
        plan: pure; what to order, or `OrderRefusedError`.

    Raises:
        UsageError: the command line is wrong, or nobody can confirm.
        SettingsError: a setting is wrong, or the lease is not on Kubernetes.
        OrderRefusedError: it contradicts what is the case.
        LeaseError: the one that fits.
    """
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    options, settings = looked_up(parser, argv)
    patience = _time(options.timeout) if getattr(options, "wait", False) else None
    choice = chosen_lease(settings)
    check_takes_orders(choice)
    return asyncio.run(_order(choice, options, plan, patience))


async def _order(
    choice: LeaseChoice,
    options: argparse.Namespace,
    plan: Plan,
    patience: float | None,
) -> int:
    clock = SystemClock()
    async with open_lookout(choice, clock=clock) as lookout:
        before = await lookout.view()
        planned = plan(before, options)
        _show(before, clock)
        if planned.annotations:
            if not _confirmed(planned, yes=options.yes):
                print("nothing was changed")
                return int(ExitCode.REFUSED)
            again = _still(before, options, plan, planned)
            await give_orders(choice, again, clock=clock)
        print(clean(planned.done))
        if patience is None or planned.happened is None:
            if planned.annotations:
                _show(await lookout.view(), clock)
            return int(ExitCode.OK)
        return await _wait(lookout, planned.happened, patience=patience, clock=clock)


def _still(
    before: View, options: argparse.Namespace, plan: Plan, planned: Order
) -> Callable[[Record], Orders]:
    def orders(now: Record) -> Orders:
        if plan(replace(before, record=now), options) != planned:
            raise OrderRefusedError(
                f"{before.full_name} changed meanwhile ({now.holder or 'nobody'} leads "
                "now); nothing was changed. Fix: look again, and repeat it"
            )
        return planned.annotations

    return orders


async def _wait(
    lookout: Lookout,
    happened: Callable[[Record], bool],
    *,
    patience: float,
    clock: Clock,
) -> int:
    began = clock.now()
    while True:
        view = await lookout.view(with_candidates=False)
        if happened(view.record):
            break
        if clock.now() - began >= patience:
            print(f"it did not happen within {format_duration(patience)}")
            _show(await lookout.view(), clock)
            return int(ExitCode.WAIT_TIMEOUT)
        await asyncio.sleep(_LOOK_EVERY)
    print(f"done after {clock.now() - began:.1f}s")
    _show(await lookout.view(), clock)
    return int(ExitCode.OK)


def led_by_ours(view: View) -> Record:
    """
    Return the record of a leader that obeys orders.

    Raises:
        OrderRefusedError: nobody leads, somebody who does not obey, or it is paused.
    """
    record = view.record
    if is_paused(record):
        raise OrderRefusedError(
            f"{view.full_name} is paused: no leader leaves voluntarily; nothing was "
            f"changed. Fix: k8s-leader resume {view.full_name}"
        )
    if record.is_free:
        raise OrderRefusedError(
            f"{view.full_name}: nobody leads; nothing was changed. Fix: none needed, "
            "the first candidate that comes takes it"
        )
    if owner(record) == "foreign":
        raise OrderRefusedError(
            f"{view.full_name}: {record.holder} is another elector's candidate and "
            "obeys no order; nothing was changed. Fix: stop that process"
        )
    return record


def _show(view: View, clock: Clock) -> None:
    for line in status_lines(view, wall=clock.wall()):
        print(clean(line))
    print()


def _confirmed(planned: Order, *, yes: bool) -> bool:
    for warning in planned.warnings:
        print(f"k8s-leader: warning: {clean(warning)}", file=sys.stderr)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            "this must be confirmed, and there is no terminal to ask; nothing was "
            "changed. Fix: add --yes"
        )
    try:
        return input(f"{clean(planned.question)} [y/N] ").strip().lower() in {
            "y",
            "yes",
        }
    except EOFError:
        return False


def _time(text: str) -> float:
    try:
        return duration(text)
    except ValueError as exc:
        raise UsageError(
            f"--timeout is {text!r}; allowed is {exc}. Fix: write --timeout 60s"
        ) from None
