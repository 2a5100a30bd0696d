"""
Flags from the table of settings, and what to say when they are wrong.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from k8s_leader.errors import ExitCode, LeaderError
from k8s_leader.settings.sources import CONFIG_VARIABLE, Written, did_you_mean
from k8s_leader.settings.table import GROUPS, SETTINGS, Setting

__all__ = ["Parser", "UsageError", "add_settings", "parse_settings"]

_NEGATIVE = re.compile(r"-[0-9.]")


class UsageError(LeaderError):
    """
    The command line is wrong; says what, and what to write instead.
    """

    exit_code = ExitCode.SETTINGS


class Parser(argparse.ArgumentParser):
    """
    An argument parser that never prints its usage at people, nor exits with 2.
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """
        Raise instead of exiting.
        """
        raise UsageError(f"{message}. Fix: see `{self.prog} --help`")


class _Record(argparse.Action):
    """
    Remembers the text and the very flag that was written; the last one wins.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        text = values if isinstance(values, str) else str(self.const)
        if option_string and option_string.startswith("--no-"):
            text = "false"
        found: dict[str, Written] = getattr(namespace, "flags", None) or {}
        where = option_string or self.option_strings[0]
        found[self.dest] = Written(text=text, source="flag", where=where)
        namespace.flags = found


def add_settings(
    parser: argparse.ArgumentParser, only: Collection[str] | None = None
) -> None:
    """
    Give a parser settings as flags, in groups, and ``--config``.

    Args:
        parser: where they are added.
        only: the names or groups of the settings wanted; ``None``: every one.
    """
    wanted = [s for s in SETTINGS if only is None or {s.name, s.group} & set(only)]
    used = {setting.group for setting in wanted} | {"output"}
    groups = {
        key: parser.add_argument_group(text)
        for key, text in GROUPS.items()
        if key in used
    }
    for setting in wanted:
        _add(groups[setting.group], setting)
    groups["output"].add_argument(
        "--config",
        metavar="FILE",
        help=f"YAML file with settings as keys, such as `lease: reports`; flags and "
        f"variables win [env: {CONFIG_VARIABLE}]",
    )


def _add(group: argparse._ArgumentGroup, setting: Setting) -> None:
    told = f"{setting.help} Default: {setting.default_text} [env: {setting.variable}]"
    common: dict[str, Any] = {
        "action": _Record,
        "dest": setting.name,
        "default": argparse.SUPPRESS,
        "help": told.replace("%", "%%"),
    }
    if setting.is_switch:
        names = (setting.flag, f"--no-{setting.name}")
        group.add_argument(*names, nargs=0, const="true", **common)
    else:
        group.add_argument(setting.flag, metavar=setting.metavar, **common)
    for alias in setting.aliases:
        hidden = {**common, "help": argparse.SUPPRESS}
        group.add_argument(alias, metavar=setting.metavar, **hidden)


def parse_settings(
    parser: argparse.ArgumentParser, argv: Sequence[str], *, gates: bool = True
) -> tuple[argparse.Namespace, dict[str, Written], str | None]:
    """
    Parse flags; return the namespace, what was written, and the file.

    Args:
        parser: with the settings as flags.
        argv: the words.
        gates: whether a command to run could be meant by a stray word.

    Raises:
        UsageError: an unknown flag, a missing value, a word that is no flag.
    """
    namespace, rest = parser.parse_known_args(_normal(argv))
    known = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001  # argparse has no other way
    for word in rest:
        if word.startswith("-"):
            flag = word.partition("=")[0]
            hint = did_you_mean(flag, known)
            raise UsageError(f"there is no flag {flag}{hint or '.'} Fix: correct it")
        fix = f"see `{parser.prog} --help`"
        if gates:
            fix = (
                "put `--` before the command to run, "
                f"as in {parser.prog} --lease NAME -- {word} ..."
            )
        raise UsageError(f"{word!r} is no flag. Fix: {fix}")
    return (
        namespace,
        getattr(namespace, "flags", {}),
        getattr(namespace, "config", None),
    )


def _normal(argv: Sequence[str]) -> list[str]:
    """
    Rewrite what argparse would misread: ``--switch=false``, ``--flag -5s``.
    """
    switches = {setting.flag: setting for setting in SETTINGS if setting.is_switch}
    valued = {
        flag
        for setting in SETTINGS
        if not setting.is_switch
        for flag in (setting.flag, *setting.aliases)
    }
    words: list[str] = []
    for word in argv:
        flag, equals, text = word.partition("=")
        if equals and flag in switches:
            words.append(_switch(switches[flag], text))
        elif words and words[-1] in valued and _NEGATIVE.match(word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _switch(setting: Setting, text: str) -> str:
    try:
        return setting.flag if setting.parse(text) else f"--no-{setting.name}"
    except ValueError as exc:
        raise UsageError(
            f"{setting.flag} is {text!r}; allowed: {exc}. Fix: {setting.fix}"
        ) from None
