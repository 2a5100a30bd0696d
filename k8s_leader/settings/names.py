"""
What may be named: leases, namespaces, identities, by Kubernetes' own rules.

Also which store a lease lives in: ``[NAMESPACE/]NAME`` on Kubernetes, ``sqlite:PATH``
in a file of this machine, ``memory:[NAME]`` inside one process. The last two are used
only when written out (rule S14): a missing setting never makes a process believe that
it is elected.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import Literal

from k8s_leader.errors import SettingsError
from k8s_leader.settings import parsers
from k8s_leader.values import dataclass

__all__ = [
    "LeaseName",
    "check_sqlite_path",
    "default_identity",
    "identity_prefix",
    "in_cluster",
    "lease_name",
    "namespace_name",
]

TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105  # a path
_SUBDOMAIN = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST_SUBDOMAIN = 253
_LONGEST_LABEL = 63
_LONGEST_IDENTITY = 200
_SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseName:
    """
    Which record is campaigned for.

    Attributes:
        store: what kind of store the record lives in.
        name: the name of the Lease; of the memory lease; the path of the file.
        namespace: of a Kubernetes Lease when it was written with the name.
    """

    store: Literal["kubernetes", "sqlite", "memory"]
    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        """
        Return it as it is written in ``--lease``.
        """
        if self.store != "kubernetes":
            return f"{self.store}:{self.name}"
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def lease_name(text: str) -> LeaseName:
    """
    Return what ``[NAMESPACE/]NAME``, ``sqlite:PATH`` or ``memory:[NAME]`` names.

    Raises:
        ValueError: it names nothing that can exist.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind == "sqlite":
        return LeaseName(store="sqlite", name=_sqlite_path(rest))
    if colon and kind == "memory":
        name = (
            parsers.flat_text(rest, longest=_LONGEST_SUBDOMAIN) if rest else "default"
        )
        return LeaseName(store="memory", name=name)
    namespace, slash, name = text.rpartition("/")
    if slash:
        namespace_name(namespace)
    if len(name) > _LONGEST_SUBDOMAIN or not _SUBDOMAIN.fullmatch(name):
        raise ValueError(
            "[NAMESPACE/]NAME with a name of lower-case letters, digits, '-' and '.' "
            f"(RFC 1123 subdomain, at most {_LONGEST_SUBDOMAIN}), or sqlite:PATH, or "
            "memory:"
        )
    return LeaseName(store="kubernetes", name=name, namespace=namespace or None)


def _sqlite_path(text: str) -> str:
    if not text or "\0" in text or text.endswith("/"):
        raise ValueError(
            "sqlite:PATH with the path of a file, such as sqlite:/run/x.db"
        )
    return parsers.path(text)


def namespace_name(text: str) -> str:
    """
    Return the name of a namespace.

    Raises:
        ValueError: Kubernetes could not have a namespace of that name.
    """
    if len(text) > _LONGEST_LABEL or not _LABEL.fullmatch(text):
        raise ValueError(
            "a namespace of lower-case letters, digits and '-' (RFC 1123 label, at "
            f"most {_LONGEST_LABEL})"
        )
    return text


def identity_prefix(text: str) -> str:
    """
    Return the readable part of an identity; the unique part is always added to it.
    """
    return parsers.flat_text(text, longest=_LONGEST_IDENTITY)


def default_identity(environ: Mapping[str, str]) -> str:
    """
    Return the readable part where none is given: the Pod's name, else the host's.
    """
    for name in (environ.get("POD_NAME", ""), _host_name(), "candidate"):
        try:
            return identity_prefix(name)
        except ValueError:
            continue
    raise AssertionError("the last name is valid")


def _host_name() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform  # pragma: no cover  # Windows only: slow to import

    return platform.node()  # pragma: no cover  # the same


def in_cluster(environ: Mapping[str, str], *, token: str = TOKEN_MOUNT) -> bool:
    """
    Tell whether this process runs in a Pod: a service host, or a token mount.
    """
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) or os.path.exists(token)


def check_sqlite_path(path: str, *, setting: str = "--lease") -> None:
    """
    Refuse a path where SQLite could not keep a lease.

    Args:
        path: of the file; it need not exist yet.
        setting: how the person wrote it, for the message.

    Raises:
        SettingsError: no such directory, not writable, or not a SQLite file.
    """

    def refuse(allowed: str, fix: str) -> SettingsError:
        return SettingsError(setting, f"sqlite:{path}", allowed=allowed, fix=fix)

    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise refuse("a path in a directory that exists", f"make {folder} first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise refuse(
            "a path in a writable directory (SQLite writes files beside it)",
            f"allow this user to write in {folder}, or choose another directory",
        )
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise refuse(
            "a file that can be opened", f"{exc.strerror}: choose another path"
        ) from exc
    if not stat.S_ISREG(status.st_mode):
        raise refuse("a regular file", "choose another path")
    if not os.access(path, os.R_OK | os.W_OK):
        raise refuse("a writable file", f"allow this user to read and write {path}")
    if status.st_size and not _starts_like_sqlite(path):
        raise refuse(
            "a SQLite file, or a path where none exists yet",
            "choose another path; this file is left as it is",
        )


def _starts_like_sqlite(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC
