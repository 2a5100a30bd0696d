"""
``k8s-leader operator``: release the Leases of leaders whose containers died.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from importlib import import_module

from k8s_leader.cli.arguments import Parser
from k8s_leader.errors import ExitCode, SettingsError
from k8s_leader.log import LogContext, configure
from k8s_leader.settings.address import HttpAddress, http_address

__all__ = ["operator"]

_USAGE = """\
k8s-leader operator [--namespace NAME]... [flags]

Watch the Leases labelled k8s-leader.io/managed=true and their Pods, and release a Lease
at once when the kubelet reports that the container of its holder has ended. Runs on one
replica: k8s-leader run --lease k8s-leader-operator -- k8s-leader operator
"""


def operator(argv: Sequence[str]) -> int:
    """
    Run the operator until SIGTERM.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: kopf is not installed, or no API server can be found.
    """
    parser = Parser(prog="k8s-leader operator", usage=_USAGE.rstrip())
    parser.add_argument(
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="where to act; may be repeated; without it: in the whole cluster",
    )
    parser.add_argument(
        "--no-janitor",
        action="store_true",
        help="leave the labels of Pods that lead no more (needs no patch on pods)",
    )
    parser.add_argument(
        "--no-columns",
        action="store_true",
        help="leave the notes on Leases to their holders",
    )
    parser.add_argument(
        "--no-remake",
        action="store_true",
        help="leave deleted Leases deleted, whatever they ask for "
        "(needs no create on leases)",
    )
    parser.add_argument(
        "--no-events",
        action="store_true",
        help="write no Event when a leader keeps changing (needs no create on events)",
    )
    parser.add_argument(
        "--endpoint-slices",
        action="store_true",
        help="lead Services annotated k8s-leader.io/leader-of: LEASE to the leader",
    )
    parser.add_argument(
        "--http",
        default="off",
        metavar="ADDRESS",
        help="where metrics of all Leases are shown: :PORT, HOST:PORT or off (default)",
    )
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info"
    )
    options = parser.parse_args(argv)
    http = _address(options.http)
    _configure_log(options.log_format, options.log_level)
    try:
        shell = import_module("k8s_leader.operator.run")
    except ModuleNotFoundError as exc:
        if exc.name != "kopf":
            raise
        raise SettingsError(
            "operator",
            None,
            allowed="an installation that has kopf",
            fix="pip install 'k8s-leader[operator]'",
        ) from None
    duties = shell.Duties(
        tidies=not options.no_janitor,
        columns=not options.no_columns,
        remakes=not options.no_remake,
        events=not options.no_events,
        endpoints=options.endpoint_slices,
        http=http,
    )
    asyncio.run(shell.operate(duties, namespaces=options.namespace))
    return int(ExitCode.OK)


def _address(text: str) -> HttpAddress | None:
    """
    Read ``--http``.

    Raises:
        SettingsError: it is no address.
    """
    try:
        found = http_address(text)
    except ValueError:
        found = "auto"
    if found == "auto":
        raise SettingsError(
            "--http",
            text,
            allowed="off, or [ADDRESS]:PORT with a numeric address",
            fix="write it as :8081",
        )
    return found if isinstance(found, HttpAddress) else None


def _configure_log(style: str, level: str) -> None:
    """
    Let kopf's warnings come out as our own lines do.
    """
    configure(format=style, level=level, context=LogContext())
    theirs = logging.getLogger("kopf")
    theirs.handlers = logging.getLogger("k8s_leader").handlers
    theirs.propagate = False
    theirs.setLevel(logging.WARNING)
