"""
Find, read and merge kubeconfig files by client-go's rules.

Guarantees: the first file to set a key wins, relative paths are resolved against the
file that names them, missing files of a list are skipped; whatever is wrong ends in
one `SettingsError` that never quotes the content of a file (it may hold secrets).
Not guaranteed: that certificates and tokens named in it are good; whoever reads them
finds out.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8s_leader.errors import InWords, SettingsError
from k8s_leader.kube.fields import wrong_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from k8s_leader.kube.settings import KubeSettings

__all__ = ["Kubeconfig", "Selection", "find"]

_log = logging.getLogger(__name__)

_FILE_KEYS = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
}
_SINGULAR = {"clusters": "cluster", "users": "user", "contexts": "context"}
_ALLOWED = "a kubeconfig as kubectl writes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """
    The one cluster and user that a context chooses; secrets inside, never print it.
    """

    context: str
    cluster: dict[str, Any] = field(repr=False)
    user: dict[str, Any] = field(repr=False)
    namespace: str | None


@dataclass(slots=True, kw_only=True)
class Kubeconfig:
    """
    The merged files.

    Args:
        setting: the name of the setting that led to the files, for messages.
        where: the files, as a person knows them.
    """

    setting: str
    where: str
    current_context: str | None = None
    contexts: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    clusters: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    users: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        """
        Whether the files say anything at all.
        """
        return bool(
            self.current_context or self.contexts or self.clusters or self.users
        )

    def add(self, path: Path) -> None:
        """
        Merge one more file in; what is set already stays.
        """
        content = _read(path, setting=self.setting)
        current = content.get("current-context")
        if current and not isinstance(current, str):
            raise self.error("current-context", "the name of a context")
        self.current_context = self.current_context or current or None
        for section in ("contexts", "clusters", "users"):
            known: dict[str, dict[str, Any]] = getattr(self, section)
            for name, body in self._entries(content, section=section, path=path):
                known.setdefault(name, _resolved(body, section=section, path=path))

    def select(self, settings: KubeSettings) -> Selection:
        """
        Return what the chosen (else the current) context means.

        Raises:
            SettingsError: the context, its cluster or its user does not exist.
        """
        name = settings.context or self.current_context
        if name is None and settings.cluster is None:
            raise self.error(
                "current-context",
                "the name of a context",
                fix="name one by --context",
                missing=True,
            )
        context = self._entry("contexts", name) if name else {}
        cluster = settings.cluster or context.get("cluster")
        user = settings.user or context.get("user")
        return Selection(
            context=name or "",
            cluster=self._entry("clusters", cluster),
            user=self._entry("users", user) if user else {},
            namespace=context.get("namespace") or None,
        )

    def error(
        self, key: str, allowed: str, *, fix: str = "", missing: bool = False
    ) -> SettingsError:
        """
        Return the error for one key of the files; never shows the key's value.
        """
        return SettingsError(
            f"{key} in {self.where}",
            None if missing else InWords("something else (not shown)"),
            allowed=allowed,
            fix=fix or f"correct the kubeconfig ({self.setting})",
        )

    def _entry(self, section: str, name: object) -> dict[str, Any]:
        known: dict[str, dict[str, Any]] = getattr(self, section)
        if not isinstance(name, str) or name not in known:
            raise SettingsError(
                f"{_SINGULAR[section]} of the kubeconfig {self.where}",
                name,
                allowed=", ".join(sorted(known)) or f"none: it has no {section}",
                fix=f"choose one that exists, or correct the file ({self.setting})",
            )
        found = known[name]
        if (wrong := wrong_field(found, section=section)) is not None:
            raise self.error(*wrong)
        return found

    def _entries(
        self, content: dict[str, Any], *, section: str, path: Path
    ) -> list[tuple[str, dict[str, Any]]]:
        entries = content.get(section) or []
        found = []
        for entry in entries if isinstance(entries, list) else [None]:
            body = entry.get(_SINGULAR[section]) if isinstance(entry, dict) else None
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not isinstance(body or {}, dict):
                raise SettingsError(
                    self.setting,
                    str(path),
                    allowed=f"{_ALLOWED}: {section} is a list of names and bodies",
                    fix="correct the file, or point the setting to another one",
                )
            found.append((name, body or {}))
        return found


def find(settings: KubeSettings, *, environ: Mapping[str, str]) -> Kubeconfig:
    """
    Return the merged kubeconfig; it is false when there is none or it is empty.

    Raises:
        SettingsError: a file is named explicitly and missing or empty, or any file
            is unreadable or malformed.
    """
    if settings.kubeconfig is not None:
        return _explicit(settings.kubeconfig)
    listed = environ.get("KUBECONFIG", "")
    if listed:
        return _listed(listed)
    return _in_home(environ.get("HOME", ""))


def _in_home(home: str) -> Kubeconfig:
    try:
        folder = Path(home or "~").expanduser()
    except RuntimeError:  # an arbitrary user id, as OpenShift gives: there is no home
        return Kubeconfig(setting="~/.kube/config", where="no home directory")
    path = folder / ".kube" / "config"
    config = Kubeconfig(setting="~/.kube/config", where=str(path))
    if path.exists():
        config.add(path)
    return config


def _explicit(name: str) -> Kubeconfig:
    config = Kubeconfig(setting="--kubeconfig", where=name)
    path = Path(name)
    fix = "name a kubeconfig that exists, or leave the setting out inside a cluster"
    if not name or not path.exists():
        raise SettingsError(
            "--kubeconfig", name, allowed="the path of an existing file", fix=fix
        )
    config.add(path)
    if not config:
        raise SettingsError(
            "--kubeconfig", name, allowed=f"{_ALLOWED}, not an empty file", fix=fix
        )
    return config


def _listed(listed: str) -> Kubeconfig:
    names = dict.fromkeys(name for name in listed.split(os.pathsep) if name)
    config = Kubeconfig(setting="KUBECONFIG", where=os.pathsep.join(names))
    paths = [Path(name) for name in names if Path(name).exists()]
    for path in paths:
        config.add(path)
    if not paths:
        _log.warning("none of the files of KUBECONFIG exists: %s", config.where)
    return config


def _read(path: Path, *, setting: str) -> dict[str, Any]:
    import yaml

    problem = ""
    content: object = None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"is readable ({error.strerror})"
    except UnicodeDecodeError:
        problem = "is UTF-8 text"
    except yaml.YAMLError as error:
        # str(error) would quote the line, which may hold a token.
        mark = getattr(error, "problem_mark", None)
        problem = f"is YAML (line {mark.line + 1})" if mark else "is YAML"
    if not problem and not isinstance(content or {}, dict):
        problem = "is a YAML mapping"
    if problem:
        raise SettingsError(
            setting,
            str(path),
            allowed=f"{_ALLOWED}, that {problem}",
            fix="correct the file, or point the setting to another one",
        ) from None
    return content if isinstance(content, dict) else {}


def _resolved(body: dict[str, Any], *, section: str, path: Path) -> dict[str, Any]:
    base = path.absolute().parent
    resolved = dict(body)
    for key in _FILE_KEYS.get(section, ()):
        if isinstance(body.get(key), str) and body[key]:
            resolved[key] = str(base / body[key])
    plugin = body.get("exec")
    if section == "users" and isinstance(plugin, dict):
        command = plugin.get("command")
        if isinstance(command, str) and os.sep in command:
            resolved["exec"] = {**plugin, "command": str(base / command)}
    return resolved
