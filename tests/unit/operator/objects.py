"""
A Lease and a Pod as the API server returns them after a leader's container died.
"""

from __future__ import annotations

from typing import Any

HOLDER = "web-0_0b1c0a3e-8a53-4a5e-9a34-0d2b7f6f2c11"
CONTAINER = "containerd://4f1d"


def lease(**notes: str | None) -> dict[str, Any]:
    written = {
        "k8s-leader.io/holder": HOLDER,
        "k8s-leader.io/transitions": "3",
        "k8s-leader.io/lease-duration": "15",
        "k8s-leader.io/entrypoint": HOLDER,
        "k8s-leader.io/pod": "shop/web-0",
    }
    changed = {f"k8s-leader.io/{name}": text for name, text in notes.items()}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": "reports",
            "namespace": "shop",
            "uid": "lease-uid",
            "resourceVersion": "41",
            "annotations": {
                k: v for k, v in (written | changed).items() if v is not None
            },
        },
        "spec": {
            "holderIdentity": HOLDER,
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-01-02T03:04:05.000006Z",
            "renewTime": "2026-01-02T03:04:08.000006Z",
            "leaseTransitions": 3,
        },
    }


def terminated(message: str | None = f"{HOLDER}\n", **more: Any) -> dict[str, Any]:
    return {
        "terminated": {
            "exitCode": 137,
            "reason": "Error",
            "message": message,
            "containerID": CONTAINER,
            **more,
        }
    }


def pod(
    state: dict[str, Any] | None = None, *, last: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": "shop", "uid": "pod-uid"},
        "spec": {"containers": [{"name": "main", "terminationMessagePolicy": "File"}]},
        "status": {
            "containerStatuses": [
                {
                    "name": "main",
                    "state": terminated() if state is None else state,
                    "lastState": last or {},
                }
            ]
        },
    }


RUNNING = {"running": {"startedAt": "2026-01-02T03:04:09Z"}}
