"""
Which release of this package runs.
"""

from __future__ import annotations

import os
import sys

__all__ = ["installed_version"]

_BEFORE, _AFTER = "k8s_leader-", ".dist-info"


def installed_version() -> str | None:
    """
    Return the version of the installed package; ``None`` in a bare checkout.

    The folder that an installer makes is named after it. ``importlib.metadata`` reads
    the same from it, after 20 ms for parsers of mail and archives that stay in memory:
    it is asked where there is no such folder.
    """
    for folder in sys.path:
        try:
            names = os.listdir(folder or os.curdir)
        except OSError:  # a zip archive, or not there
            continue
        for name in names:
            if name.startswith(_BEFORE) and name.endswith(_AFTER):
                return name[len(_BEFORE) : -len(_AFTER)]
    return _by_metadata()


def _by_metadata() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("k8s-leader")
    except PackageNotFoundError:
        return None
