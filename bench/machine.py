"""
Names the machine and the versions that a measurement belongs to.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from pathlib import Path

from tests.helpers.git import ask_git
from tests.helpers.go_build import KUBERNETES_VERSION, TESTS

__all__ = ["commit", "machine", "versions"]

_ROOT = TESTS.parent
_MEASURED = ("k8s_leader", "tests", "bench", ":(exclude)bench/results")


def machine() -> dict[str, str]:
    """
    Return processor, cores, memory and system, without the host's name.
    """
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory_gb": f"{pages / 2**30:.0f}",
        "system": f"Linux {platform.release()}",
    }


def versions() -> dict[str, str]:
    """
    Return the versions of all that was measured.
    """
    found = {"Kubernetes": KUBERNETES_VERSION}
    for name in ("k8s-leader", "kubernetes-asyncio"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    for line in (TESTS / "peers" / "go.mod").read_text().splitlines():
        if line.split()[:1] == ["k8s.io/client-go"]:
            found["client-go"] = line.split()[1].lstrip("v")
    found["Python"] = platform.python_version()
    return found


def commit() -> str:
    """
    Return the commit that is measured; with a plus when the code was changed.

    The results of the parts before lie in the tree, too: they change nothing.
    """
    changed = ask_git(_ROOT, "status", "--porcelain", "--", *_MEASURED)
    return ask_git(_ROOT, "rev-parse", "--short", "HEAD") + ("+" if changed else "")


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
