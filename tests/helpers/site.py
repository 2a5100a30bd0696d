"""
A namespace with Pods that exist in the API only, and real candidates that name them.
"""

from __future__ import annotations

from typing import Any

from tests.helpers.candidate import SHORT, Candidate, Journal
from tests.helpers.cluster import LEASE_RULES, ApiServer
from tests.helpers.lifeline import Lifeline

__all__ = ["COST", "EVENTS", "LIST_PODS", "NAME", "PATCH_PODS", "ROLE", "Site"]

NAME = "reports"
ROLE = "k8s-leader.io/role"
COST = "controller.kubernetes.io/pod-deletion-cost"
PATCH_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]}
EVENTS = {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]}
LIST_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}


class Site:
    """
    A namespace with Pods, and a service account with exactly these rights.
    """

    def __init__(
        self,
        api: ApiServer,
        journal: Journal,
        lifeline: Lifeline,
        *,
        rules: tuple[dict[str, Any], ...] = (PATCH_PODS, EVENTS),
    ) -> None:
        self.api, self.journal, self.lifeline = api, journal, lifeline
        self.namespace = api.create_namespace()
        self.pod_spec: dict[str, Any] = {}  # what Pods have besides a container
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        api.request("POST", account, {"metadata": {"name": "default"}})
        token = api.service_account(
            self.namespace, "candidate", rules=[*LEASE_RULES, *rules]
        )
        self.kubeconfig = api.kubeconfig(token, namespace=self.namespace)

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def make_pod(self, name: str, **annotations: str) -> str:
        made = self.api.request(
            "POST",
            self.pods,
            {
                "metadata": {
                    "name": name,
                    "annotations": {
                        k.replace("__", "/"): v for k, v in annotations.items()
                    },
                },
                "spec": {
                    "containers": [{"name": "main", "image": "none"}],
                    **self.pod_spec,
                },
            },
        )
        return str(made["metadata"]["uid"])

    def candidate(
        self, name: str, *flags: str, uid: str | None = None, mode: str = "obedient"
    ) -> Candidate:
        uid = uid or self.make_pod(name)
        return Candidate(
            NAME,
            self.journal,
            name=name,
            lifeline=self.lifeline,
            flags=("--kubeconfig", str(self.kubeconfig), *SHORT, *flags),
            mode=mode,
            environ={
                "POD_NAME": name,
                "POD_NAMESPACE": self.namespace,
                "POD_UID": uid,
                "NODE_NAME": "node-1",
            },
        )

    def pod(self, name: str) -> dict[str, Any]:
        return dict(self.api.request("GET", f"{self.pods}/{name}")["metadata"])

    def report(self, pod: str, *, state: dict[str, Any]) -> None:
        """
        Write a Pod's status as the kubelet of its node does.
        """
        status = {
            "name": "main",
            "image": "none",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": state,
        }
        self.api.patch(
            f"{self.pods}/{pod}/status", {"status": {"containerStatuses": [status]}}
        )

    def role(self, name: str) -> str | None:
        return (self.pod(name).get("labels") or {}).get(ROLE)

    def cost(self, name: str) -> str | None:
        return (self.pod(name).get("annotations") or {}).get(COST)

    def events(self, kind: str, uid: str = "") -> list[str]:
        """
        Return the messages that ``kubectl describe`` would show.
        """
        selector = f"involvedObject.kind={kind}"
        if uid:
            selector += f",involvedObject.uid={uid}"
        path = f"/api/v1/namespaces/{self.namespace}/events?fieldSelector={selector}"
        return [item["message"] for item in self.api.request("GET", path)["items"]]

    def lease(self) -> dict[str, Any]:
        body = self.api.lease(self.namespace, NAME)
        assert body is not None
        return body

    def notes(self) -> dict[str, str]:
        return {
            name.removeprefix("k8s-leader.io/"): text
            for name, text in (
                self.lease()["metadata"].get("annotations") or {}
            ).items()
        }
