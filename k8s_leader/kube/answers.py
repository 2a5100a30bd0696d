"""
What the API server's answers mean in terms of our errors.

Guarantees: a 404 counts as "there is no such object" only when Kubernetes itself says
so about that object; the page of a load balancer never does. Messages are bounded,
on one line, and hold nothing but what the server said.
"""

from __future__ import annotations

import email.utils
import json
from collections.abc import Mapping
from typing import Any, Final

from k8s_leader.errors import (
    LeaseConflictError,
    LeaseError,
    LeaseForbiddenError,
    LeaseMalformedError,
    LeaseNotFoundError,
    LeaseUnauthorizedError,
    LeaseUnavailableError,
)
from k8s_leader.values import dataclass

__all__ = ["Answer", "Right", "parse", "parse_retry_after"]

_MAX_MESSAGE: Final = 400
_NAMED_VERBS: Final = ("get", "update", "list", "watch")
_OUR_FAULT: Final = frozenset({400, 405, 406, 413, 415, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """
    The right that a request needs; printed as a rule when it is missing.

    Args:
        verb: the verb as RBAC names it.
        group: the API group; empty for the core.
        resource: the plural resource, with ``/subresource`` if any.
        namespace: the namespace, for messages.
        name: the object; ``None`` if the request names none.
    """

    verb: str
    group: str = "coordination.k8s.io"
    resource: str = "leases"
    namespace: str = ""
    name: str | None = None

    def __str__(self) -> str:
        """
        Return the request in words.
        """
        name = f"{self.namespace}/{self.name}" if self.name else self.namespace
        return f"{self.verb} {self.resource} {name}".rstrip()

    def rule(self) -> str:
        """
        Return the YAML of the Role rule that grants this.

        ``create`` cannot be limited to a name, since the name is not known to the
        authorizer, so it stands in a rule of its own.
        """
        verbs: tuple[str, ...] = (self.verb,)
        if self.resource == "leases" and self.verb in _NAMED_VERBS:
            verbs = _NAMED_VERBS
        lines = [
            f'- apiGroups: ["{self.group}"]',
            f'  resources: ["{self.resource}"]',
        ]
        if self.name and self.verb != "create":
            lines.append(f'  resourceNames: ["{self.name}"]')
        quoted = ", ".join(f'"{verb}"' for verb in verbs)
        lines.append(f"  verbs: [{quoted}]")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    One complete answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def status_object(self) -> dict[str, Any] | None:
        """
        Return the Kubernetes Status in the body, if it is one.
        """
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or found.get("kind") != "Status":
            return None
        return found


def parse(answer: Answer, *, right: Right, wall: float) -> dict[str, Any]:
    """
    Return the JSON object of a good answer, raise what any other one means.

    Args:
        answer: what came back.
        right: what was asked for.
        wall: Unix seconds now, for dates in Retry-After.

    Raises:
        LeaseError: the one that fits; see the module.
    """
    if not 200 <= answer.status <= 299:  # noqa: PLR2004 - HTTP
        raise _error(answer, right=right, wall=wall)
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        msg = f"{right}: the answer is no JSON object ({_kind(answer)})"
        raise LeaseMalformedError(msg)
    return found


def parse_retry_after(text: str | None, *, wall: float) -> float | None:
    """
    Return the seconds of a Retry-After header: a number or an HTTP date.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - wall)


def _error(answer: Answer, *, right: Right, wall: float) -> LeaseError:
    status = answer.status_object()
    said = _said(answer, status)
    text = f"{right}: {answer.status} {said}"
    match answer.status:
        case 401:
            return LeaseUnauthorizedError(text)
        case 403:
            # Quotas, webhooks and dying namespaces forbid too: no rule helps there.
            is_rbac = status is None or " cannot " in said
            return LeaseForbiddenError(text, rule=right.rule() if is_rbac else "")
        case 404 if _is_missing_object(status):
            return LeaseNotFoundError(text)
        case 409:
            return LeaseConflictError(text)
        case code if code in _OUR_FAULT and status is not None:
            return LeaseMalformedError(text)
        case code if 300 <= code <= 399:  # noqa: PLR2004 - HTTP
            return LeaseUnavailableError(f"{text}: redirects are not followed")
    retry_after = parse_retry_after(answer.headers.get("Retry-After"), wall=wall)
    return LeaseUnavailableError(text, retry_after=retry_after)


def _is_missing_object(status: dict[str, Any] | None) -> bool:
    """
    Tell "there is no such Lease" from "there is no such path" (a wrong server).
    """
    details = (status or {}).get("details")
    named = isinstance(details, dict) and bool(details.get("name"))
    return named and (status or {}).get("reason") == "NotFound"


def _said(answer: Answer, status: dict[str, Any] | None) -> str:
    if status is None:
        return f"not from Kubernetes ({_kind(answer)})"
    message = str(status.get("message") or status.get("reason") or "no reason given")
    words = "".join(c if c.isprintable() else " " for c in message).split()
    return " ".join(words)[:_MAX_MESSAGE]


def _kind(answer: Answer) -> str:
    kind = answer.headers.get("Content-Type", "no content type")[:60]
    return f"{kind!r}, {len(answer.body)} bytes"
