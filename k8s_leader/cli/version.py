"""
``k8s-leader version``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["installed_version", "version"]


def installed_version() -> str:
    """
    Return the version of the installed package.
    """
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as metadata_version

    try:
        return metadata_version("k8s-leader")
    except PackageNotFoundError:
        return "unknown (a checkout that is not installed)"


def version(_argv: Sequence[str]) -> int:
    """
    Print our version and what we run on.
    """
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"k8s-leader {installed_version()} (Python {python}, {sys.platform})")
    return 0
