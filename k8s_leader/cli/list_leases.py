"""
``k8s-leader list``: all Leases of a namespace or of the cluster.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from k8s_leader.app.lookout import View, list_views
from k8s_leader.cli.arguments import Parser
from k8s_leader.cli.lookup import (
    EXIT_CODES,
    add_output,
    kube_settings,
    looked_up,
    lookup_parser,
    written,
)
from k8s_leader.cli.standings import owner, renewed_ago, rounded
from k8s_leader.cli.table import age, painted, table, wants_colour
from k8s_leader.clock import SystemClock
from k8s_leader.errors import ExitCode

__all__ = ["list_leases", "list_lines", "list_rows"]

_DESCRIPTION = """\
List Leases: who holds each, whether the holder is a candidate of k8s-leader ("ours")
or of another elector ("foreign"), how long ago it renewed, how often the Lease changed
hands, and how many Pods are candidates. An age in brackets is beyond the duration.
"""
_EXAMPLE = """\
  k8s-leader list                  # the namespace of the kubeconfig, or of the Pod
  k8s-leader list -A --ours        # every namespace, without other electors' Leases
  k8s-leader list -A -o json | jq -r '.[] | select(.owner=="ours") | .lease'\
"""
_HEADERS = ("NAMESPACE", "LEASE", "HOLDER", "OWNER", "RENEWED", "TERM", "CANDIDATES")


def list_leases(argv: Sequence[str]) -> int:
    """
    List the Leases of a namespace, or of all.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong.
        LeaseError: the API server cannot be asked, or forbids to list.
    """
    options, settings = looked_up(_parser(), argv)
    clock = SystemClock()
    views, counts = asyncio.run(
        list_views(
            kube_settings(settings), everywhere=options.all_namespaces, clock=clock
        )
    )
    if options.ours:
        views = [view for view in views if owner(view.record) != "foreign"]
    rows = list_rows(views, counts, wall=clock.wall())
    if options.output == "text":
        wanted = wants_colour(sys.stdout, os.environ)
        for at, line in enumerate(list_lines(rows)):
            print(painted(line, "" if at else "faint", wanted=wanted))
    else:
        print(written(rows, options.output))
    if counts is None:
        print(
            "k8s-leader: warning: candidates are not counted: list on pods is missing "
            "(k8s-leader rbac --for viewer prints the rule)",
            file=sys.stderr,
        )
    return int(ExitCode.OK)


def _parser() -> Parser:
    parser = lookup_parser(
        "list",
        usage="[-A] [--ours] [-o text|json|yaml] [flags]",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        codes=EXIT_CODES.replace("  66  there is no such Lease\n", ""),
        settings=("namespace", "kubernetes"),
        takes_lease=False,
    )
    add_output(parser)
    parser.add_argument("-A", "--all-namespaces", action="store_true")
    parser.add_argument("--ours", action="store_true", help="hide foreign Leases")
    return parser


def list_rows(
    views: Sequence[View], counts: Mapping[tuple[str, str], int] | None, *, wall: float
) -> list[dict[str, Any]]:
    """
    Return one document per Lease, sorted by namespace and name.

    Args:
        views: the Leases.
        counts: candidates by namespace and name; ``None``: not known.
        wall: Unix seconds now.
    """
    return [
        {
            "namespace": view.namespace,
            "lease": view.lease,
            "holder": view.record.holder,
            "owner": owner(view.record),
            "seconds_since_renewal": rounded(renewed_ago(view.record, wall=wall)),
            "lease_duration": view.record.duration,
            "term": view.record.transitions,
            "candidates": None
            if counts is None
            else Counter(counts)[view.namespace, view.lease],
        }
        for view in sorted(views, key=lambda view: (view.namespace, view.lease))
    ]


def list_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """
    Return the table of `list_rows`.
    """
    if not rows:
        return ["there are no such Leases"]
    return table(_HEADERS, [_cells(row) for row in rows])


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    since, duration = row["seconds_since_renewal"], row["lease_duration"]
    held = row["owner"] != "free"
    late = since is not None and duration is not None and since > duration and held
    known = row["candidates"] is not None
    return (
        row["namespace"],
        row["lease"],
        row["holder"],
        row["owner"],
        f"({age(since)})" if late else age(since),
        str(row["term"]),
        str(row["candidates"]) if known else "?",
    )
