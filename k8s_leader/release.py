"""
Which release of this package runs.
"""

from __future__ import annotations

__all__ = ["installed_version"]


def installed_version() -> str | None:
    """
    Return the version of the installed package; ``None`` in a bare checkout.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("k8s-leader")
    except PackageNotFoundError:
        return None
