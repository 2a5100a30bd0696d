"""
Any object on an API server: its path, server-side apply, and what a namespace holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from tests.helpers.cluster_admin import AdminClient, ApiError

__all__ = ["apply", "create_service_account", "objects_of", "path_of"]

_PLURALS = {
    "NetworkPolicy": "networkpolicies",
    "PriorityClass": "priorityclasses",
}
_KINDS = (
    "/api/v1 configmaps pods secrets serviceaccounts services",
    "/apis/apps/v1 deployments replicasets",
    "/apis/coordination.k8s.io/v1 leases",
    "/apis/discovery.k8s.io/v1 endpointslices",
    "/apis/networking.k8s.io/v1 networkpolicies",
    "/apis/policy/v1 poddisruptionbudgets",
    "/apis/rbac.authorization.k8s.io/v1 roles rolebindings",
)


def path_of(body: Mapping[str, Any]) -> str:
    """
    Return where an object lives.
    """
    version, kind = body["apiVersion"], body["kind"]
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    namespace = body["metadata"].get("namespace")
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{inside}/{plural}/{body['metadata']['name']}"


def apply(
    server: AdminClient, body: Mapping[str, Any], *, dry_run: bool = False
) -> dict[str, Any]:
    """
    Apply an object on the server's side; an unknown field is an error.

    Raises:
        ApiError: the server refuses it.
    """
    query = "?fieldManager=test&fieldValidation=Strict"
    return server.request(
        "PATCH",
        path_of(body) + query + ("&dryRun=All" if dry_run else ""),
        body,
        content_type="application/apply-patch+yaml",
    )


def create_service_account(server: AdminClient, namespace: str, name: str) -> None:
    """
    Create a ServiceAccount unless it is there, as a controller does for `default`.
    """
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    with contextlib.suppress(ApiError):
        server.request("POST", path, {"metadata": {"name": name}})


def objects_of(server: AdminClient, namespace: str) -> set[str]:
    """
    Return what a namespace holds, as ``kind/name``, of the kinds a chart may make.
    """
    found = set()
    for line in _KINDS:
        base, *plurals = line.split()
        for plural in plurals:
            items = server.request("GET", f"{base}/namespaces/{namespace}/{plural}")
            found |= {f"{plural}/{i['metadata']['name']}" for i in items["items"]}
    return found
