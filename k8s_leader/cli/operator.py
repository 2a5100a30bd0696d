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
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info"
    )
    options = parser.parse_args(argv)
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
    asyncio.run(
        shell.operate(namespaces=options.namespace, tidies=not options.no_janitor)
    )
    return int(ExitCode.OK)


def _configure_log(style: str, level: str) -> None:
    """
    Let kopf's warnings come out as our own lines do.
    """
    configure(format=style, level=level, context=LogContext())
    theirs = logging.getLogger("kopf")
    theirs.handlers = logging.getLogger("k8s_leader").handlers
    theirs.propagate = False
    theirs.setLevel(logging.WARNING)
