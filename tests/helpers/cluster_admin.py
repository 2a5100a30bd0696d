"""
The administrator's side of a test API server: requests, accounts, Leases.

Standard library only, so that the tests do not judge the client by itself.
"""

from __future__ import annotations

import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["LEASE_RULES", "AdminClient", "ApiError"]

LEASE_RULES: tuple[dict[str, list[str]], ...] = (
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["create", "get", "list", "watch", "update"],
    },
)
"""What a candidate needs in its namespace."""


class ApiError(Exception):
    """
    The API server answered with an error status.
    """

    def __init__(self, *, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path}: {status} {body[:500]}")
        self.status = status
        self.body = body


class AdminClient:
    """
    Blocking calls to an API server, as its administrator unless a token is given.

    Attributes:
        url: https address of the server.
        ca_file: certificate that it must show.
        admin_token: bearer token of a member of system:masters.
    """

    url: str
    ca_file: Path
    admin_token: str

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """
        Send one request, as admin unless a token is given, and return the JSON.

        Raises:
            ApiError: any status from 400 on.
            OSError: no answer.
        """
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {token or self.admin_token}",
                "Content-Type": content_type,
                "Accept": "application/json",
            },
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=self._tls()),
        )
        try:
            with opener.open(request, timeout=timeout) as reply:
                text = reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(
                    method=method,
                    path=path,
                    status=error.code,
                    body=error.read().decode(errors="replace"),
                ) from None
        return dict(json.loads(text)) if text.startswith("{") else {"text": text}

    def patch(
        self, path: str, body: Mapping[str, Any], *, timeout: float = 30.0
    ) -> dict[str, Any]:
        """
        Change what the body names, as it is now (a merge patch); return the object.
        """
        return self.request(
            "PATCH",
            path,
            body,
            timeout=timeout,
            content_type="application/merge-patch+json",
        )

    def lease_path(self, namespace: str, name: str = "") -> str:
        """
        Return the path of a Lease, or of the collection without a name.
        """
        base = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        return f"{base}/{name}" if name else base

    def lease(self, namespace: str, name: str) -> dict[str, Any] | None:
        """
        Read a Lease, None when there is none.
        """
        try:
            return self.request("GET", self.lease_path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def annotate_lease(
        self,
        namespace: str,
        name: str,
        annotations: Mapping[str, str],
        *,
        timeout: float = 30.0,
    ) -> None:
        """
        Add annotations to a Lease, as ``kubectl annotate`` does.
        """
        body = {"metadata": {"annotations": annotations}}
        self.patch(self.lease_path(namespace, name), body, timeout=timeout)

    def create_namespace(
        self, prefix: str = "test", *, labels: Mapping[str, str] | None = None
    ) -> str:
        """
        Create a namespace with a fresh name and return the name.
        """
        name = f"{prefix}-{secrets.token_hex(4)}"
        metadata = {"name": name, "labels": dict(labels or {})}
        self.request("POST", "/api/v1/namespaces", {"metadata": metadata})
        return name

    def service_account(
        self,
        namespace: str,
        name: str,
        *,
        rules: Iterable[Mapping[str, Any]] = (),
        expiration_seconds: int = 3600,
    ) -> str:
        """
        Create a ServiceAccount with a Role of these rules, and return a token of it.

        The API server takes a while to see a new binding, so this waits until the
        first verb of the first rule is allowed.
        """
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.request("POST", account, {"metadata": {"name": name}})
        rules = list(rules)
        token = self.token(namespace, name, expiration_seconds=expiration_seconds)
        if rules:
            self._grant(namespace, name, rules=rules, token=token)
        return token

    def token(
        self, namespace: str, name: str, *, expiration_seconds: int = 3600
    ) -> str:
        """
        Return another token of a ServiceAccount (TokenRequest; 600 s at least).
        """
        reply = self.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": expiration_seconds},
            },
        )
        return str(reply["status"]["token"])

    def _grant(
        self,
        namespace: str,
        name: str,
        *,
        rules: list[Mapping[str, Any]],
        token: str,
    ) -> None:
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        metadata = {"name": name}
        self.request("POST", f"{base}/roles", {"metadata": metadata, "rules": rules})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        self.request(
            "POST",
            f"{base}/rolebindings",
            {"metadata": metadata, "roleRef": role, "subjects": [subject]},
        )
        attributes: dict[str, Any] = {
            "namespace": namespace,
            "verb": rules[0]["verbs"][0],
            "group": rules[0]["apiGroups"][0],
            "resource": rules[0]["resources"][0],
        }
        if rules[0].get("resourceNames"):
            attributes["name"] = rules[0]["resourceNames"][0]
        self._wait_allowed(attributes, token=token)

    def _wait_allowed(self, attributes: dict[str, Any], *, token: str) -> None:
        review = {"spec": {"resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.request("POST", path, review, token=token)["status"]["allowed"]:
                return
            time.sleep(0.02)
        raise TimeoutError(f"the Role was never effective: {attributes}")

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))
