"""
``k8s-leader version``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from k8s_leader.release import installed_version

__all__ = ["version"]

_BARE = "unknown (a checkout that is not installed)"


def version(_argv: Sequence[str]) -> int:
    """
    Print our version and what we run on.
    """
    python = ".".join(map(str, sys.version_info[:3]))
    print(
        f"k8s-leader {installed_version() or _BARE} (Python {python}, {sys.platform})"
    )
    return 0
