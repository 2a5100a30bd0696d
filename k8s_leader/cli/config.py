"""
``k8s-leader config show`` and ``config validate``.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import Any

from k8s_leader.cli.arguments import Parser, UsageError, add_settings, parse_settings
from k8s_leader.cli.run import check_runnable
from k8s_leader.settings import SETTINGS, HttpAddress, LeaseName, Settings
from k8s_leader.settings.parsers import command, duration, format_duration, pace
from k8s_leader.settings.sources import did_you_mean

__all__ = ["config", "shown_values"]

_ACTIONS = ("show", "validate")
_USAGE = """\
usage: k8s-leader config show [--origin] [-o text|yaml|json] [flags]
       k8s-leader config validate [flags]

show prints each setting's value as `run` would use it; --origin adds where it came
from. validate checks them all and starts nothing: 0 when they hold, 78 when not.
Both take the flags of `run`, K8S_LEADER_* variables and --config FILE.
"""


def config(argv: Sequence[str]) -> int:
    """
    Show or check the settings.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong.
    """
    action = argv[0] if argv else ""
    if action in {"-h", "--help"}:
        print(_USAGE, end="")
        return 0
    if action not in _ACTIONS:
        hint = did_you_mean(action, _ACTIONS) or "."
        raise UsageError(f"config needs show or validate{hint} Fix: see config --help")
    parser = Parser(prog=f"k8s-leader config {action}", usage=_USAGE[7:].rstrip())
    if action == "show":
        parser.add_argument("--origin", action="store_true", help="add where from")
        parser.add_argument("-o", choices=("text", "yaml", "json"), default="text")
    add_settings(parser)
    options, flags, file = parse_settings(parser, argv[1:])
    settings = Settings.load(flags, os.environ, file, lease_needed=action == "validate")
    for warning in settings.warnings:
        print(f"k8s-leader: warning: {warning}", file=sys.stderr)
    if action == "validate":
        return _validate(settings)
    _PRINTERS[options.o](settings, options.origin)
    return 0


def _validate(settings: Settings) -> int:
    if not settings.election.disabled:
        check_runnable(settings, os.environ)
    print("the settings hold")
    return 0


def shown_values(settings: Settings) -> dict[str, Any]:
    """
    Return each value as it could be written in the file; ``None``: not set.
    """
    return {
        setting.name: _shown(setting.parse, settings, setting.name)
        for setting in SETTINGS
    }


def _shown(parse: object, settings: Settings, name: str) -> Any:
    value = settings.value(name)
    if value is None:
        return "off" if name in {"termination-log", "http"} else None
    if parse in (duration, pace):
        return format_duration(value)
    if parse is command:
        return shlex.join(value) or None
    if isinstance(value, LeaseName | HttpAddress):
        return str(value)
    if name == "stop-signal":
        return _signal_name(value)
    if name == "signal-map":
        pairs = [f"{_signal_name(k)}={_signal_name(v)}" for k, v in value.items()]
        return ",".join(pairs) or None
    if name == "success-exit-codes":
        return ",".join(map(str, value)) or None
    return value


def _signal_name(number: int) -> str:
    if number == 0:
        return "none"
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:  # a real-time signal
        return str(number)


def _text(settings: Settings, origin: bool) -> None:
    rows = [
        (name, "-" if value is None else _plain(value), str(settings.origins[name]))
        for name, value in shown_values(settings).items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, value, where in rows:
        line = f"{name:<{widths[0]}}  {value:<{widths[1]}}  {where if origin else ''}"
        print(line.rstrip())


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _yaml(settings: Settings, origin: bool) -> None:
    import yaml

    for name, value in shown_values(settings).items():
        line = yaml.safe_dump({name: value}, default_flow_style=False).rstrip()
        print(f"{line}  # {settings.origins[name]}" if origin else line)


def _json(settings: Settings, origin: bool) -> None:
    values = shown_values(settings)
    if origin:
        values = {
            name: {"value": value, "origin": str(settings.origins[name])}
            for name, value in values.items()
        }
    print(json.dumps(values, indent=2))


_PRINTERS = {"text": _text, "yaml": _yaml, "json": _json}
