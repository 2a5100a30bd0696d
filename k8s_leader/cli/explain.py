"""
``k8s-leader explain``: what given timings mean, drawn as a timeline.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from k8s_leader.cli.arithmetic import Meaning, Moment, meaning
from k8s_leader.cli.lookup import add_output, looked_up, lookup_parser, written
from k8s_leader.cli.table import painted, wants_colour
from k8s_leader.election.timing import CLOCK_DRIFT, Timing
from k8s_leader.errors import ExitCode
from k8s_leader.settings.parsers import format_duration

__all__ = ["explain", "explained", "timeline"]

_DESCRIPTION = """\
Show what timings mean: how long a fail-over takes, which outage of the API server is
survived, and why two workloads never overlap. Takes the timing flags of `run`,
K8S_LEADER_* variables and --config; asks nobody.
"""
_EXAMPLE = """\
  k8s-leader explain --profile fast
  k8s-leader explain --lease-duration 30s --renew-deadline 24s\
"""
_CODES = """\
exit codes:
   0  the timings hold
  78  they do not, or the command line is wrong"""
_WIDTH = 64
_PHASES = "==~#."
"""Between two marks each: working twice, stopping, killed, nobody works."""


def explain(argv: Sequence[str]) -> int:
    """
    Explain timings.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong, or the timings are unsafe.
    """
    parser = lookup_parser(
        "explain",
        usage="[--profile NAME] [--lease-duration TIME] [-o text|json|yaml] [flags]",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        codes=_CODES,
        settings=("timing",),
        takes_lease=False,
    )
    add_output(parser)
    options, settings = looked_up(parser, argv)
    means = meaning(settings.timing)
    if options.output != "text":
        document = {"timing": asdict(settings.timing), **means.document()}
        print(written(document, options.output))
        return int(ExitCode.OK)
    wanted = wants_colour(sys.stdout, os.environ)
    for line in explained(settings.timing, means):
        print(painted(line, "warn" if "WARNING" in line else "", wanted=wanted))
    return int(ExitCode.OK)


def explained(timing: Timing, means: Meaning) -> list[str]:
    """
    Return the whole explanation.
    """
    return [
        *_answers(timing, means),
        "",
        "When the leader is cut off from the API server:",
        "",
        *timeline(means.moments),
        "",
        *_overlap(timing, means),
    ]


def _time(value: float) -> str:
    return format_duration(round(value, 3)) if value > 0 else "0s"


def _answers(timing: Timing, means: Meaning) -> list[str]:
    length, every = _time(timing.lease_duration), _time(timing.renew_every)
    best, worst = _time(means.crash_soonest), _time(means.crash_latest)
    always, hanging = _time(means.outage_always), _time(means.outage_hanging)
    stop, never = _time(means.stop_longest), _time(means.outage_never)
    rows = (
        ("The leader is told to stop", "another leads as soon as it has stopped,"),
        ("", f"{stop} at the latest"),
        ("The leader crashes", f"another leads after {best} to {worst}"),
        ("The API server is away", f"below {always} nothing happens"),
        ("", f"({hanging} when requests hang instead of failing)"),
        ("", f"above {never} the workload is stopped, nobody leads"),
        ("Requests per minute", f"{60 / timing.renew_every:.0f} of the leader"),
        ("", "about 1 and a watch of a standby"),
    )
    head = f"lease duration {length}, renewed every {every}"
    return [head, "", *(f"{left:<27} {right}" for left, right in rows)]


def timeline(moments: Sequence[Moment]) -> list[str]:
    """
    Return the moments as a bar to scale, and what each mark of it means.
    """
    end = moments[-1].at
    columns: list[int] = []
    for moment in moments:  # at least one column between two marks
        column = round(moment.at / end * _WIDTH)
        columns.append(max(column, columns[-1] + 2 if columns else 0))
    marks, bar = [" "] * (columns[-1] + 1), [" "] * (columns[-1] + 1)
    for at, column in enumerate(columns):
        marks[column], bar[column] = chr(ord("A") + at), "|"
        following = columns[at + 1] if at + 1 < len(columns) else column
        for between in range(column + 1, following):
            bar[between] = _PHASES[at]
    width = max(len(_time(moment.at)) for moment in moments)
    return [
        f"  {''.join(marks)}",
        f"  {''.join(bar)}",
        "  = works   ~ is asked to stop   # is killed   . nobody works",
        "",
        *(
            f"  {chr(ord('A') + at)}  {_time(moment.at):>{width}}  {moment.what}"
            for at, moment in enumerate(moments)
        ),
    ]


def _overlap(timing: Timing, means: Meaning) -> list[str]:
    rate = f"{CLOCK_DRIFT * 100:g} %"
    length, margin = _time(timing.lease_duration), _time(timing.safety_margin)
    rows = (
        ("the old workload is gone by", means.gone_by, f"{length} - {margin}, slow"),
        ("the new one starts not before", means.taken_from, f"{length}, fast"),
        ("so the guard may pause for", means.pause, "the difference"),
    )
    lines = [
        f"Why they never overlap, by clocks whose rates differ by up to {rate}:",
        *(f"  {what:<30} {_time(at):>8}   ({how})" for what, at, how in rows),
    ]
    if not means.keeps_the_promise:
        lines.append(
            f"WARNING: the promise is made for pauses of {_time(means.pause_wanted)}. "
            "Fix: leave --safety-margin out, or lengthen it"
        )
    return lines
