"""
The environment that the workload gets: its own, without what is ours or stale.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["HANDED_TO_WORKLOAD", "given_environ", "workload_environ"]

HANDED_TO_WORKLOAD = (
    "LEADER_IDENTITY",
    "LEADER_LEASE",
    "LEADER_NAMESPACE",
    "LEADER_FENCING_TOKEN",
    "LEADER_TERM",
    "LEADER_STATUS_URL",
)
"""What a term tells its workload; none of these names is a setting."""


def given_environ() -> dict[str, str]:
    """
    Return the environment without what Python added to it.

    Where it names no locale, Python chooses one (LC_CTYPE) and would hand it on.
    """
    environ, name = dict(os.environ), b"LC_CTYPE="
    try:
        with open("/proc/self/environ", "rb") as file:
            given = [x for x in file.read().split(b"\0") if x.startswith(name)]
    except OSError:
        return environ
    environ.pop("LC_CTYPE", None)
    for entry in given:
        environ["LC_CTYPE"] = os.fsdecode(entry[len(name) :])
    return environ


def workload_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """
    Return the environment without our settings and without a stale term.
    """
    kept = {}
    for name, value in environ.items():
        is_link = name.startswith(("K8S_LEADER_PORT", "K8S_LEADER_SERVICE_"))
        is_ours = name.startswith("K8S_LEADER_") and not is_link
        if not is_ours and name not in HANDED_TO_WORKLOAD:
            kept[name] = value
    return kept
