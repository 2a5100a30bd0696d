"""
What people can choose: one table, four sources, one frozen tree of valid values.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from k8s_leader.settings.address import HttpAddress, http_address
    from k8s_leader.settings.load import (
        Cluster,
        Election,
        Kube,
        Log,
        Origin,
        Settings,
        Web,
        Workload,
    )
    from k8s_leader.settings.names import (
        LeaseName,
        check_sqlite_path,
        in_cluster,
        lease_name,
    )
    from k8s_leader.settings.sources import Written
    from k8s_leader.settings.table import SETTINGS, Setting

__all__ = [
    "SETTINGS",
    "Cluster",
    "Election",
    "HttpAddress",
    "Kube",
    "LeaseName",
    "Log",
    "Origin",
    "Setting",
    "Settings",
    "Web",
    "Workload",
    "Written",
    "check_sqlite_path",
    "http_address",
    "in_cluster",
    "lease_name",
]

_HOMES = {
    "address": ("HttpAddress", "http_address"),
    "names": ("LeaseName", "check_sqlite_path", "in_cluster", "lease_name"),
    "sources": ("Written",),
    "table": ("SETTINGS", "Setting"),
}


def __getattr__(name: str) -> Any:
    """
    Load what is asked for: an elector needs an address and none of the table.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = next((home for home, names in _HOMES.items() if name in names), "load")
    return getattr(import_module(f"{__name__}.{home}"), name)
