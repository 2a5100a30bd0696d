"""
The cluster's administrator, asking from this process.
"""

from __future__ import annotations

import base64
import json
import ssl
from typing import TYPE_CHECKING

from tests.helpers.cluster_admin import AdminClient

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.kind.cluster import KindCluster

__all__ = ["Administrator"]


class Administrator(AdminClient):
    """
    For requests whose instant is measured: kubectl takes a while before it sends one.

    Args:
        cluster: whose administrator.
        folder: for certificates.
    """

    admin_token = ""  # a certificate says who it is

    def __init__(self, cluster: KindCluster, folder: Path) -> None:
        words = ("config", "view", "--raw", "--output=json")
        config = json.loads(cluster.kubectl(*words))
        known, own = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url = known["server"]
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(_decoded(known, "certificate-authority"))
        self._own = folder / "own.pem"
        self._own.touch(mode=0o600)
        key = _decoded(own, "client-key")
        self._own.write_bytes(_decoded(own, "client-certificate") + key)

    def _tls(self) -> ssl.SSLContext:
        context = super()._tls()
        context.load_cert_chain(self._own)
        return context


def _decoded(entry: dict[str, str], name: str) -> bytes:
    return base64.b64decode(entry[f"{name}-data"])
