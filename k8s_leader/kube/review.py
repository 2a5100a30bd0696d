"""
What one may ask an API server about itself and about us: rights, clock, speed, token.

Nothing here changes anything.
"""

from __future__ import annotations

import base64
import email.utils
import json
from collections.abc import Mapping
from typing import Any

from k8s_leader.kube.answers import Right
from k8s_leader.kube.client import KubeClient
from k8s_leader.values import dataclass

__all__ = ["TokenLife", "is_allowed", "read_date", "read_token"]

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_JWT_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLife:
    """
    When a token was issued and when it expires; Unix seconds.
    """

    issued: float
    expires: float


async def is_allowed(client: KubeClient, right: Right, *, timeout: float) -> bool:
    """
    Ask the API server whether we have a right (SelfSubjectAccessReview).

    Raises:
        LeaseError: it cannot be asked.
    """
    attributes = {
        "namespace": right.namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        **({"name": right.name} if right.name and right.verb != "create" else {}),
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    asking = Right(
        verb="create",
        group="authorization.k8s.io",
        resource="selfsubjectaccessreviews",
    )
    answer = await client.request(
        "POST", _REVIEWS, right=asking, timeout=timeout, body=review
    )
    status = answer.get("status")
    return isinstance(status, Mapping) and status.get("allowed") is True


def read_date(headers: Mapping[str, str]) -> float | None:
    """
    Return the server's clock by its Date header, in Unix seconds; to half a second.
    """
    text = next((v for k, v in headers.items() if k.lower() == "date"), "")
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() + 0.5
    except (TypeError, ValueError):
        return None


def read_token(authorization: str | None) -> TokenLife | None:
    """
    Return the times in a JSON Web Token; ``None``: it is none, or has no end.

    Nothing else of the token is kept, and its signature is not judged.
    """
    parts = (authorization or "").removeprefix("Bearer ").split(".")
    if len(parts) != _JWT_PARTS:
        return None
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
        return TokenLife(issued=float(claims["iat"]), expires=float(claims["exp"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
