"""
What the guard is told: plain JSON, made from valid settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from k8s_leader.cli.early import elector_argv
from k8s_leader.settings import Settings, in_cluster

__all__ = ["TERMINATION_LOG", "guard_config"]

TERMINATION_LOG = "/dev/termination-log"
STOP_COURTESY = 0.06
"""Just above the elector's own bound (runner/farewell.py), so that its word comes."""


def guard_config(
    settings: Settings, command: Sequence[str], environ: Mapping[str, str]
) -> dict[str, Any]:
    """
    Return the guard's configuration; its ``elector`` part is for the elector only.

    Args:
        settings: valid ones, with a lease.
        command: what to run while leading.
        environ: decides whether there is a kubelet to leave a proof for.
    """
    workload = settings.workload
    return {
        "command": list(command),
        "elector_argv": elector_argv(),
        "identity_prefix": settings.election.identity,
        "timing": asdict(settings.timing),
        "on_exit": workload.on_exit,
        "once": workload.once,
        "success_exit_codes": list(workload.success_exit_codes),
        "stop_signal": workload.stop_signal,
        "signal_map": {str(k): v for k, v in workload.signal_map.items()},
        "termination_log": _termination_log(workload.termination_log, environ),
        "standby_command": list(settings.companions.standby_command),
        "stop_courtesy": _courtesy(settings, environ),
        "log_format": settings.log.format,
        "log_level": settings.log.level,
        "elector": _elector(settings, environ),
    }


def _elector(settings: Settings, environ: Mapping[str, str]) -> dict[str, Any]:
    lease, kubeconfig = settings.election.lease, settings.kube.kubeconfig
    if lease is None:
        raise AssertionError("the settings were loaded with a lease needed")
    on_disk = lease.store == "sqlite"
    return {
        "store": lease.store,
        "lease": os.path.abspath(lease.name) if on_disk else lease.name,
        "namespace": settings.election.namespace,
        "lease_create": settings.election.lease_create,
        "priority": settings.election.priority,
        "wait_timeout": settings.election.wait_timeout,
        "kubeconfig": os.path.abspath(kubeconfig) if kubeconfig else None,
        "context": settings.kube.context,
        "companions": asdict(settings.companions),
        "http": None if settings.web.http is None else asdict(settings.web.http),
        "cluster": {
            **asdict(settings.cluster),
            "pod": _pod(environ),
            "priority": settings.election.priority,
            "node": environ.get("NODE_NAME") or None,
        },
    }


def _pod(environ: Mapping[str, str]) -> dict[str, str] | None:
    """
    Return the own Pod as the downward API tells it; all of it or nothing.
    """
    names = {"namespace": "POD_NAMESPACE", "name": "POD_NAME", "uid": "POD_UID"}
    found = {key: environ.get(variable, "") for key, variable in names.items()}
    return found if all(found.values()) else None


def _courtesy(settings: Settings, environ: Mapping[str, str]) -> float:
    """
    Return the seconds that an orderly stop waits for the Pod's label to go.
    """
    lease = settings.election.lease
    on_kubernetes = lease is not None and lease.store == "kubernetes"
    marks = settings.cluster.pod_label and _pod(environ) is not None
    return STOP_COURTESY if on_kubernetes and marks else 0.0


def _termination_log(choice: str | None, environ: Mapping[str, str]) -> str | None:
    if choice != "auto":
        return os.path.abspath(choice) if choice else None
    usable = in_cluster(environ) and os.path.exists(TERMINATION_LOG)
    return TERMINATION_LOG if usable else None
