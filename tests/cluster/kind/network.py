"""
The Pods' network of a cluster with our own node image.

A bridge on each node, and routes between the nodes. Real clusters have an agent for
this; here nodes neither come nor go.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cluster.kind.cluster import KindCluster

__all__ = ["connect_pods"]

_FILE = "/etc/cni/net.d/10-bridge.conflist"
_TIMEOUT = 60.0


def connect_pods(cluster: KindCluster) -> None:
    """
    Write each node's network configuration, and its routes to the others.

    To be called again for a node that was started anew: routes do not survive that.
    """
    nodes = _nodes_with_subnets(cluster)
    for name, (subnet, _) in nodes.items():
        text = json.dumps(_configuration(subnet))
        cluster.on_node(name, "cp", "/dev/stdin", _FILE, stdin=text)
        for other, (remote, address) in nodes.items():
            if other != name:
                route = ("ip", "route", "replace", remote, "via", address)
                cluster.on_node(name, *route)


def _nodes_with_subnets(cluster: KindCluster) -> dict[str, tuple[str, str]]:
    ends = time.monotonic() + _TIMEOUT
    while True:
        items = cluster.get("nodes")["items"]
        if len(items) > len(cluster.workers) and all(map(_subnet, items)):
            return {n["metadata"]["name"]: (_subnet(n), _address(n)) for n in items}
        if time.monotonic() > ends:
            raise RuntimeError(f"no subnets for the nodes: {items}")
        time.sleep(0.2)


def _subnet(node: dict[str, Any]) -> str:
    return str(node["spec"].get("podCIDR", ""))


def _address(node: dict[str, Any]) -> str:
    addresses = node["status"]["addresses"]
    return str(next(a["address"] for a in addresses if a["type"] == "InternalIP"))


def _configuration(subnet: str) -> dict[str, Any]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni-ipam",
            "ranges": [[{"subnet": subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}
