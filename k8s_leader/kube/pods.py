"""
The few calls on Pods: mark one, list some.

A Pod is only patched by name and uid together: a Pod of the same name that came
later (a StatefulSet's) is another Pod, and the API server refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from k8s_leader.errors import LeaseConflictError, LeaseMalformedError
from k8s_leader.kube.answers import Right
from k8s_leader.kube.client import KubeClient
from k8s_leader.values import dataclass

__all__ = ["PodApi", "PodRef"]

_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRef:
    """
    One very Pod.
    """

    namespace: str
    name: str
    uid: str


class PodApi:
    """
    Pods of one API server.

    Args:
        client: shared, and not closed here.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def mark(
        self,
        pod: PodRef,
        *,
        labels: Mapping[str, str | None],
        annotations: Mapping[str, str | None],
        timeout: float,
        version: str | None = None,
    ) -> dict[str, Any]:
        """
        Set labels and annotations of one Pod (``None`` removes); return the Pod.

        With a ``version`` only that very state of the Pod is changed.
        A patch that changes nothing is not written to the store by the API server.

        Raises:
            LeaseConflictError: the Pod of this name has another uid, or was written
                since that version.
            LeaseNotFoundError: there is none.
            LeaseError: the one that fits.
        """
        metadata: dict[str, Any] = {"uid": pod.uid}
        if version is not None:
            metadata["resourceVersion"] = version
        if labels:
            metadata["labels"] = dict(labels)
        if annotations:
            metadata["annotations"] = dict(annotations)
        # No name in the right: a Role for many Pods cannot name them.
        right = Right(verb="patch", group="", resource="pods", namespace=pod.namespace)
        try:
            return await self._client.request(
                "PATCH",
                f"{_pods(pod.namespace)}/{quote(pod.name, safe='')}",
                right=right,
                timeout=timeout,
                body={"metadata": metadata},
                content_type="application/merge-patch+json",
            )
        except LeaseMalformedError as error:  # 422: the uid is immutable
            if "metadata.uid" not in str(error):
                raise
            raise LeaseConflictError(f"it is another Pod: {error}") from error

    async def find(
        self, namespace: str, *, selector: str, timeout: float
    ) -> list[dict[str, Any]]:
        """
        Return the Pods with these labels, at most 500.

        Args:
            namespace: where to look; empty: in all namespaces.
            selector: a label selector.
            timeout: seconds for the whole call.

        Raises:
            LeaseError: the one that fits.
        """
        right = Right(verb="list", group="", resource="pods", namespace=namespace)
        found = await self._client.request(
            "GET",
            _pods(namespace),
            right=right,
            timeout=timeout,
            query={"labelSelector": selector, "limit": str(_PAGE)},
        )
        items = found.get("items")
        return [item for item in items or () if isinstance(item, dict)]


def _pods(namespace: str) -> str:
    if not namespace:
        return "/api/v1/pods"
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"
