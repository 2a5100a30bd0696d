"""
The only code that talks to the API server of Kubernetes.

`kubernetes_asyncio` does the transport and runs credential plugins; it is loaded
without its models (see `k8s_leader.kube.lean`). Payloads are plain dicts. Every
failure is one of `k8s_leader.errors`.
"""

from __future__ import annotations

from k8s_leader.kube.answers import Right
from k8s_leader.kube.client import KubeClient
from k8s_leader.kube.lease_api import LeaseApi, leases_path
from k8s_leader.kube.settings import KubeSettings
from k8s_leader.kube.watch import WatchEvent, WatchTiming

__all__ = [
    "KubeClient",
    "KubeSettings",
    "LeaseApi",
    "Right",
    "WatchEvent",
    "WatchTiming",
    "leases_path",
]
