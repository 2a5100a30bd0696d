"""
What the fields of a kubeconfig have to be, as client-go would decode them.

Whatever else they are would end as a failure deep in a request, again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from k8s_leader.settings.names import namespace_name

__all__ = ["wrong_field"]

PROVIDERS: Final = ("oidc", "gcp")
"""The auth providers that kubernetes_asyncio runs."""

Rule = tuple[Callable[[Any], bool], str]


def wrong_field(body: Mapping[str, Any], *, section: str) -> tuple[str, str] | None:
    """
    Return the first field that cannot be used and what it has to be, or nothing.

    Args:
        body: a cluster, a user or a context.
        section: where it stands: ``clusters``, ``users`` or ``contexts``.
    """
    for name, (is_good, allowed) in _FIELDS[section].items():
        value = body.get(name)
        if value is not None and not is_good(value):
            return name, allowed
    return None


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.strip().isprintable()


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(_is_name(each) for each in value)


def _is_extra(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    values = (_is_names(each or []) for each in value.values())
    return all(_is_name(key) for key in value) and all(values)


def _is_provider(value: object) -> bool:
    return isinstance(value, dict) and value.get("name", "oidc") in PROVIDERS


def _is_server_name(value: object) -> bool:
    try:
        return _is_name(value) and str(value).encode("idna") is not None
    except UnicodeError:
        return False


def _is_namespace(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(not value or namespace_name(value))
    except ValueError:
        return False


_NAME: Final[Rule] = (_is_name, "one line of text (numbers in quotes)")
_LINE: Final[Rule] = (_is_line, "one line of text (numbers in quotes)")
_DATA: Final[Rule] = (lambda value: isinstance(value, str), "PEM encoded as base64")
_TOKEN: Final[Rule] = (_is_line, "one line of printable characters")
_SECTION: Final[Rule] = (lambda value: isinstance(value, dict), "a YAML mapping")
_FIELDS: Final[dict[str, dict[str, Rule]]] = {
    "clusters": {
        "tls-server-name": (_is_server_name, "the name of a host"),
        "insecure-skip-tls-verify": (
            lambda value: isinstance(value, bool),
            "true or false",
        ),
        "certificate-authority": _LINE,
        "certificate-authority-data": _DATA,
    },
    "users": {
        "token": _TOKEN,
        "tokenFile": _LINE,
        "username": _LINE,
        "password": _LINE,
        "client-certificate": _LINE,
        "client-certificate-data": _DATA,
        "client-key": _LINE,
        "client-key-data": _DATA,
        "as": _NAME,
        "as-uid": _NAME,
        "as-groups": (_is_names, "a list of names"),
        "as-user-extra": (_is_extra, "lists of texts by name"),
        "exec": _SECTION,
        "auth-provider": (
            _is_provider,
            f"the name {' or '.join(PROVIDERS)}; for others use an exec plugin",
        ),
    },
    "contexts": {"namespace": (_is_namespace, "the name of a namespace (RFC 1123)")},
}
