"""
Kubernetes Events: create, nothing else.

They are core/v1 Events as client-go's recorder writes them: ``kubectl describe`` of
every version finds them by the object's kind, name and uid and shows their age.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

from k8s_leader.kube.answers import Right
from k8s_leader.kube.client import KubeClient
from k8s_leader.values import dataclass

__all__ = ["Event", "EventApi", "ObjectRef"]

_COMPONENT = "k8s-leader"
_NOTE = 1024
_INSTANCE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef:
    """
    The object that an Event is about.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    def body(self) -> dict[str, str]:
        """
        Return it as the API spells it.
        """
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    What happened to an object.

    Attributes:
        about: the object.
        kind: ``Normal`` or ``Warning``.
        reason: one CamelCase word.
        message: one sentence; cut at 1,024 bytes, which is all the API takes.
        at: when, in RFC 3339 with whole seconds.
        instance: who says so.
    """

    about: ObjectRef
    kind: Literal["Normal", "Warning"]
    reason: str
    message: str
    at: str
    instance: str

    def body(self) -> dict[str, Any]:
        """
        Return it as the API spells it.
        """
        message = self.message.encode()[:_NOTE].decode(errors="ignore")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "generateName": f"{self.about.name[:200]}.",
                "namespace": self.about.namespace,
            },
            "involvedObject": self.about.body(),
            "type": self.kind,
            "reason": self.reason,
            "message": message,
            "source": {"component": _COMPONENT},
            "firstTimestamp": self.at,
            "lastTimestamp": self.at,
            "count": 1,
            "reportingComponent": _COMPONENT,
            "reportingInstance": self.instance[:_INSTANCE],
        }


class EventApi:
    """
    Events of one API server.

    Args:
        client: shared, and not closed here.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def create(self, event: Event, *, timeout: float) -> None:
        """
        Write one Event, in the namespace of what it is about.

        Raises:
            LeaseError: the one that fits.
        """
        namespace = event.about.namespace
        await self._client.request(
            "POST",
            f"/api/v1/namespaces/{quote(namespace, safe='')}/events",
            right=Right(
                verb="create", group="", resource="events", namespace=namespace
            ),
            timeout=timeout,
            body=event.body(),
        )
