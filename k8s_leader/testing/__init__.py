"""
For tests of code that leads: leadership in the test's hand, a clock, bad managers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k8s_leader.testing.clock import FakeClock
    from k8s_leader.testing.leadership import Leadership
    from k8s_leader.testing.managers import FailingManager, FlipFlopManager

__all__ = ["FailingManager", "FakeClock", "FlipFlopManager", "Leadership"]

_HOMES = {
    "FailingManager": "k8s_leader.testing.managers",
    "FakeClock": "k8s_leader.testing.clock",
    "FlipFlopManager": "k8s_leader.testing.managers",
    "Leadership": "k8s_leader.testing.leadership",
}


def __getattr__(name: str) -> Any:
    """
    Load the names when they are asked for: pytest loads our plugin in every project.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
