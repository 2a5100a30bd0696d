"""
What decides how the API server is reached.
"""

from __future__ import annotations

from k8s_leader.values import dataclass

__all__ = ["SERVICE_ACCOUNT_DIR", "KubeSettings"]

SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where the kubelet puts token, ca.crt and namespace of a Pod's service account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeSettings:
    """
    The user's choices; what is ``None`` is decided as client-go does.

    Args:
        kubeconfig: path of the kubeconfig (``--kubeconfig``); it must exist. ``None``:
            the files of KUBECONFIG, else ``~/.kube/config``, else the Pod's own.
        context: the context of the kubeconfig; ``None``: its current one.
        cluster: the cluster of the kubeconfig; ``None``: the context's.
        user: the user of the kubeconfig; ``None``: the context's.
        namespace: the namespace; ``None``: the context's, or the Pod's, or
            ``default``.
        user_agent: how we present ourselves to the API server.
        service_account_dir: where a Pod's own credentials lie.
    """

    kubeconfig: str | None = None
    context: str | None = None
    cluster: str | None = None
    user: str | None = None
    namespace: str | None = None
    user_agent: str = "k8s-leader"
    service_account_dir: str = SERVICE_ACCOUNT_DIR
