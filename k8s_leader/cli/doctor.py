"""
``k8s-leader doctor``: checks everything that an election needs, changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from k8s_leader.app.examination import examine
from k8s_leader.app.rights import JOBS, rules
from k8s_leader.cli.arguments import Parser
from k8s_leader.cli.findings import Finding, findings
from k8s_leader.cli.lookup import (
    READING,
    add_output,
    kube_settings,
    looked_up,
    lookup_parser,
    written,
)
from k8s_leader.cli.rbac import FEATURES, kubernetes_lease, needs_of
from k8s_leader.cli.table import clean, painted, wants_colour
from k8s_leader.clock import SystemClock
from k8s_leader.errors import ExitCode
from k8s_leader.kube.pods import PodRef
from k8s_leader.settings.names import in_cluster

__all__ = ["doctor", "doctor_lines"]

_DESCRIPTION = """\
Check what an election needs: the way to the API server, its speed against the timings,
clocks, the token, each right, the Lease and who holds it, the labels of the Pods.
Nothing is changed. Give it the flags and variables of `run`: in a Pod, for example,
`kubectl exec POD -- k8s-leader doctor`. Rights are those of whoever runs it.
"""
_EXAMPLE = """\
  k8s-leader doctor reports
  k8s-leader doctor reports --for manager -o json | jq '.[] | select(.verdict!="ok")'\
"""
_CODES = """\
exit codes:
   0  nothing failed; there may be warnings
   1  at least one check failed
  78  the command line or a setting is wrong"""


def doctor(argv: Sequence[str]) -> int:
    """
    Print one finding for each check.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong.
    """
    options, settings = looked_up(_parser(), argv)
    lease, clock = kubernetes_lease(settings), SystemClock()
    facts = asyncio.run(
        examine(
            kube_settings(settings),
            lease,
            rules(needs_of(options.job, settings)),
            pod=_own_pod(os.environ),
            clock=clock,
        )
    )
    found = findings(
        facts,
        lease=lease,
        timing=settings.timing,
        may_create=settings.election.lease_create,
        in_cluster=in_cluster(os.environ),
        wall=clock.wall(),
    )
    if options.output == "text":
        wanted = wants_colour(sys.stdout, os.environ)
        print("\n".join(doctor_lines(found, colour=wanted)))
    else:
        print(written([asdict(one) for one in found], options.output))
    failed = any(one.verdict == "fail" for one in found)
    return int(ExitCode.CHECK_FAILED if failed else ExitCode.OK)


def _parser() -> Parser:
    parser = lookup_parser(
        "doctor",
        usage="[LEASE] [--for JOB] [-o text|json|yaml] [flags]",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        codes=_CODES,
        settings=(*READING, *FEATURES, "timing"),
    )
    add_output(parser)
    parser.add_argument(
        "--for", dest="job", choices=JOBS, default="candidate", help="as in rbac"
    )
    return parser


def _own_pod(environ: Mapping[str, str]) -> PodRef | None:
    names = {"namespace": "POD_NAMESPACE", "name": "POD_NAME", "uid": "POD_UID"}
    found = {key: environ.get(variable, "") for key, variable in names.items()}
    return PodRef(**found) if all(found.values()) else None


def doctor_lines(found: Sequence[Finding], *, colour: bool = False) -> list[str]:
    """
    Return a line for each finding, its fix below it, and a count at the end.
    """
    lines = []
    for one in found:
        verdict = painted(f"{one.verdict:<4}", _COLOURS[one.verdict], wanted=colour)
        lines.append(f"{verdict}  {one.check:<10}  {clean(_first_line(one.says))}")
        if one.fix:
            first, *rest = one.fix.splitlines()
            lines.append(f"      {'':<10}  fix: {clean(first)}")
            lines += [f"      {'':<10}    {clean(line)}" for line in rest]
    counts = Counter(one.verdict for one in found)
    total = f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed"
    return [*lines, "", total]


_COLOURS = {"ok": "good", "warn": "warn", "fail": "fail"}


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
