"""
What people can choose: one table, four sources, one frozen tree of valid values.
"""

from __future__ import annotations

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
