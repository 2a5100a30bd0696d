"""
Run exactly one active replica of anything on Kubernetes.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself would cost the guard a megabyte
if TYPE_CHECKING:
    from typing import Any

    from k8s_leader.app.campaign import Candidate, campaign
    from k8s_leader.app.leader_only import LeaderOnly, leader_only
    from k8s_leader.app.library import run
    from k8s_leader.app.options import Options, StopToken
    from k8s_leader.app.runtime import Runtime
    from k8s_leader.errors import (
        HeartbeatError,
        LeaderError,
        LeadershipLostError,
        LeaseError,
        LeaseForbiddenError,
        LeaseUnavailableError,
        SettingsError,
    )
    from k8s_leader.leases.memory import MemoryLeaseWarning
    from k8s_leader.observers.port import Notice, Observer, StateChanged
    from k8s_leader.runner.term import Signal, Term

    __version__: str

__all__ = [
    "Candidate",
    "HeartbeatError",
    "LeaderError",
    "LeaderOnly",
    "LeadershipLostError",
    "LeaseError",
    "LeaseForbiddenError",
    "LeaseUnavailableError",
    "MemoryLeaseWarning",
    "Notice",
    "Observer",
    "Options",
    "Runtime",
    "SettingsError",
    "Signal",
    "StateChanged",
    "StopToken",
    "Term",
    "__version__",
    "campaign",
    "leader_only",
    "run",
]

_HOMES = {
    "Candidate": "k8s_leader.app.campaign",
    "HeartbeatError": "k8s_leader.errors",
    "LeaderError": "k8s_leader.errors",
    "LeaderOnly": "k8s_leader.app.leader_only",
    "LeadershipLostError": "k8s_leader.errors",
    "LeaseError": "k8s_leader.errors",
    "LeaseForbiddenError": "k8s_leader.errors",
    "LeaseUnavailableError": "k8s_leader.errors",
    "MemoryLeaseWarning": "k8s_leader.leases.memory",
    "Notice": "k8s_leader.observers.port",
    "Observer": "k8s_leader.observers.port",
    "Options": "k8s_leader.app.options",
    "Runtime": "k8s_leader.app.runtime",
    "SettingsError": "k8s_leader.errors",
    "Signal": "k8s_leader.runner.term",
    "StateChanged": "k8s_leader.observers.port",
    "StopToken": "k8s_leader.app.options",
    "Term": "k8s_leader.runner.term",
    "campaign": "k8s_leader.app.campaign",
    "leader_only": "k8s_leader.app.leader_only",
    "run": "k8s_leader.app.library",
}


def __getattr__(name: str) -> Any:
    """
    Load the public names when they are asked for: the guard needs none of them.
    """
    if name == "__version__":
        from importlib.metadata import version

        return version("k8s-leader")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
