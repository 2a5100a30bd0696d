"""
``k8s-leader elector``: what the guard starts; of no use to people.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from k8s_leader.cli.arguments import UsageError

__all__ = ["elector"]

_CHUNK = 65536
_AUTHORITIES = "SSL_CERT_FILE"


def elector(argv: Sequence[str]) -> int:
    """
    Read the configuration, then talk to the lease and to the guard.

    Args:
        argv: the file descriptors of the configuration and of the guard's socket.

    Returns:
        The exit status that the guard judges by.

    Raises:
        UsageError: not started by a guard.
    """
    try:
        config_fd, socket_fd = (int(word) for word in argv)
        config = _read(config_fd)
    except (ValueError, OSError) as exc:
        raise UsageError(
            "elector is started by the guard only. Fix: use `k8s-leader run`"
        ) from exc
    _configure_log(config)
    _load(str(config.get("elector", {}).get("store")))
    status: int = import_module("k8s_leader.app").run_elector(config, socket_fd)
    return int(status)


def _load(store: str) -> None:
    """
    Import what the election needs, in two thirds of the time that it would take.

    Nothing of it is ever garbage, so it is never looked through for any. And aiohttp
    reads all authorities that the system trusts when it is imported, for requests
    that bring no TLS context; ours always bring one.
    """
    gc.disable()
    trusted = os.environ.get(_AUTHORITIES)
    os.environ[_AUTHORITIES] = os.devnull
    try:
        import_module("k8s_leader.app.elector")
        if store == "kubernetes":
            import_module("k8s_leader.app.cluster_observers")
            import_module("k8s_leader.leases.kubernetes")
    finally:
        del os.environ[_AUTHORITIES]
        if trusted is not None:
            os.environ[_AUTHORITIES] = trusted
    gc.freeze()
    gc.enable()


def _configure_log(config: dict[str, Any]) -> None:
    from k8s_leader.log import LogContext, configure

    lease = str(config.get("elector", {}).get("lease", ""))
    configure(
        format=config.get("log_format", "text"),
        level=config.get("log_level", "info"),
        context=LogContext(lease=lease),
    )


def _read(fd: int) -> dict[str, Any]:
    """
    Read from the start: a restarted elector gets the same descriptor again.
    """
    data = b""
    while chunk := os.pread(fd, _CHUNK, len(data)):
        data += chunk
    config: dict[str, Any] = json.loads(data)
    return config
