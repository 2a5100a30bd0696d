"""
The rows of the table for what runs beside the workload.
"""

from __future__ import annotations

from k8s_leader.settings import parsers
from k8s_leader.settings.setting import Setting

__all__ = ["COMPANIONS"]


def _command(name: str, text: str) -> Setting:
    return Setting(
        name=name,
        group="companions",
        parse=parsers.command,
        default=(),
        help=text,
        limits="Words as in a shell, but without one: sh -c '...' for more.",
        default_text="none",
        metavar="COMMAND",
        fix="write a command in one argument, such as 'warm-up --now'",
    )


def _companion_time(name: str, text: str, *, default: float) -> Setting:
    return Setting(
        name=name,
        group="companions",
        parse=parsers.duration,
        default=default,
        unit="duration (15s, 1m30s, 500ms; a plain number is seconds)",
        help=text,
        limits="Above 0.",
        default_text=parsers.format_duration(default),
        metavar="TIME",
        fix="write a time such as 10s",
    )


COMPANIONS = (
    _command(
        "standby-command",
        "A command that runs while this candidate does not lead; it is gone before a "
        "term begins.",
    ),
    _command("on-started-leading", "A command to run when the workload has started."),
    _command("on-stopped-leading", "A command to run when nothing of it is left."),
    _companion_time(
        "hook-timeout",
        "How long one of these two may take; nothing waits for it.",
        default=10.0,
    ),
    _command(
        "health-exec", "A command that ends with 0 while the workload is healthy."
    ),
    Setting(
        name="health-http",
        group="companions",
        parse=parsers.url,
        default=None,
        help="A URL that is answered below 400 while the workload is healthy.",
        limits="http or https; asked without a proxy.",
        default_text="none",
        metavar="URL",
        fix="write a URL such as http://127.0.0.1:8080/healthz",
    ),
    Setting(
        name="health-file",
        group="companions",
        parse=parsers.path,
        default=None,
        help="A file that the healthy workload writes at least every health-every.",
        limits="Its time of change counts, not its content.",
        default_text="none",
        metavar="FILE",
        fix="write the path of a file",
    ),
    _companion_time(
        "health-every",
        "How often health is looked at; the first time this long after the start.",
        default=10.0,
    ),
    _companion_time("health-timeout", "How long one look may take.", default=5.0),
    Setting(
        name="health-failures",
        group="companions",
        parse=parsers.count,
        default=3,
        help="Looks in a row that fail before an unhealthy leader steps down.",
        limits="A whole number from 1 to 1000.",
        default_text="3",
        metavar="NUMBER",
        fix="write a number such as 3",
    ),
    _companion_time(
        "unhealthy-backoff",
        "How long it stays out then; doubled each time, up to 16 times.",
        default=30.0,
    ),
)
