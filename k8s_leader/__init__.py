"""
Run exactly one active replica of anything on Kubernetes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k8s_leader.app.campaign import Candidate, campaign
    from k8s_leader.app.library import run
    from k8s_leader.runner.term import Term

__all__ = ["Candidate", "Term", "campaign", "run"]

_HOMES = {
    "Candidate": "k8s_leader.app.campaign",
    "Term": "k8s_leader.runner.term",
    "campaign": "k8s_leader.app.campaign",
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
    return getattr(importlib.import_module(_HOMES[name]), name)
