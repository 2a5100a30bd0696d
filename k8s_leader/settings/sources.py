"""
Where settings are written: flags, the environment, a YAML file.

Each source is read into ``{name: Written}``; what a name means, and which source
wins, is for :mod:`k8s_leader.settings.load`.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from k8s_leader.errors import SettingsError
from k8s_leader.settings import parsers
from k8s_leader.settings.table import BY_NAME, PREFIX, SETTINGS
from k8s_leader.values import dataclass

__all__ = [
    "CONFIG_VARIABLE",
    "Written",
    "did_you_mean",
    "from_environ",
    "from_file",
    "is_service_link",
    "unknown_variables",
]

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
_LARGEST_FILE = 1 << 20
_SERVICE_LINK = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT$"
    r"|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """
    A value as somebody wrote it.

    Attributes:
        text: the value, as text.
        source: which kind of place.
        where: the very flag, variable or file; what a message should name.
    """

    text: str
    source: Literal["flag", "environment", "file"]
    where: str

    def blame(self, flag: str) -> str:
        """
        Return how an error names the setting with this flag.
        """
        if self.source == "flag":
            return self.where
        return f"{flag} (from {self.where})"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """
    Return ``; did you mean X?`` for the nearest known word, or an empty string.
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def is_service_link(variable: str) -> bool:
    """
    Tell whether a name is one that Kubernetes makes for a Service.
    """
    return _SERVICE_LINK.search(variable) is not None


def from_environ(environ: Mapping[str, str]) -> dict[str, Written]:
    """
    Return what ``K8S_LEADER_*`` variables say; an empty one says nothing.
    """
    found = {}
    for setting in SETTINGS:
        text = environ.get(setting.variable, "")
        if text:
            found[setting.name] = Written(
                text=text, source="environment", where=setting.variable
            )
    return found


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """
    Return a warning for each variable with our prefix that is no setting.
    """
    known = {setting.variable for setting in SETTINGS} | {CONFIG_VARIABLE}
    return [
        f"{name} is no setting and is ignored{did_you_mean(name, known)}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known and not is_service_link(name)
    ]


def from_file(path: str, *, setting: str = "--config") -> dict[str, Written]:
    """
    Return what a YAML file says; an empty file or a null says nothing.

    Args:
        path: of the file.
        setting: how the person named the file, for messages.

    Raises:
        SettingsError: the file cannot be read, is no YAML mapping, or has a key
            that is no setting.
    """
    found = {}
    for key, value in _mapping(path, _read(path, setting), setting).items():
        if key not in BY_NAME:
            raise SettingsError(
                f"{setting} {path}",
                key,
                allowed=f"names of settings as keys{did_you_mean(str(key), BY_NAME)}",
                fix=f"correct or remove the key {key!r} (`k8s-leader config show` "
                "lists all)",
            )
        if value is not None:
            where = f"{path}: {key}"
            is_command = BY_NAME[key].parse is parsers.command
            text = _text(value, where=where, is_command=is_command)
            found[key] = Written(text=text, source="file", where=where)
    return found


def _read(path: str, setting: str) -> str:
    try:
        if os.path.getsize(path) > _LARGEST_FILE:
            raise SettingsError(
                setting, path, allowed="a file below 1 MiB", fix="name the right file"
            )
        with open(path, encoding="utf-8") as file:
            return file.read(_LARGEST_FILE)
    except UnicodeDecodeError as exc:
        raise SettingsError(
            setting, path, allowed="YAML in UTF-8", fix="save the file as UTF-8"
        ) from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise SettingsError(
            setting,
            path,
            allowed=f"a readable YAML file ({reason})",
            fix="correct the path, or leave it out",
        ) from exc


def _mapping(path: str, text: str, setting: str) -> dict[str, Any]:
    import yaml  # only here: most starts have no file

    class Loader(yaml.SafeLoader):
        """
        Leaves plain scalars as they are written: YAML reads ``off`` as a truth value.

        Refuses a key that stands twice: one of the two would be ignored.
        """

        def construct_mapping(
            self, node: yaml.MappingNode, deep: bool = False
        ) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for key in keys:
                if keys.count(key) > 1:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key!r} stands twice",
                        problem_mark=node.start_mark,
                    )
            return super().construct_mapping(node, deep)

    def as_written(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
        return loader.construct_scalar(node)

    for kind in ("bool", "int", "float"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", as_written)
    try:
        data = yaml.load(text, Loader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as exc:
        reason = " ".join(str(exc).split())[:300]
        raise SettingsError(
            setting, path, allowed=f"valid YAML ({reason})", fix="correct the file"
        ) from exc
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(
            setting,
            path,
            allowed="a YAML mapping of settings, such as `lease: reports`",
            fix=f"write `name: value` lines; the file holds a {type(data).__name__}",
        )
    return data


def _text(value: object, *, where: str, is_command: bool) -> str:
    """
    Return a value as a flag would say it.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return shlex.join(value) if is_command else ",".join(value)
    if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
        return ",".join(f"{k}={v}" for k, v in value.items())
    raise SettingsError(
        where,
        type(value).__name__,
        allowed="text, a number, true or false",
        fix="write one value, in quotes if YAML reads it as something else",
    )
