"""
``k8s-leader elector``: what the guard starts; of no use to people.
"""

from __future__ import annotations

import gc
import json
import os
import signal
from collections.abc import Sequence
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["elector"]

_CHUNK = 65536
_AUTHORITIES = "SSL_CERT_FILE"


def elector(argv: Sequence[str]) -> int:
    """
    Read the configuration, then talk to the lease and to the guard.

    Args:
        argv: the file descriptors of the configuration and of the guard's socket; and
            the store, when ``run`` starts it early: then it loads what that needs, and
            the configuration is there when the guard has said hello.

    Returns:
        The exit status that the guard judges by.

    Raises:
        UsageError: not started by a guard.
    """
    # It logs from behind a terminal, which would stop it (`stty tostop`).
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        config_fd, socket_fd = (int(word) for word in argv[:2])
        if argv[2:]:
            _load(argv[2])
            if not _is_called(socket_fd):
                return 0
        config = _read(config_fd)
    except (ValueError, OSError) as exc:
        from k8s_leader.cli.arguments import UsageError

        raise UsageError(
            "elector is started by the guard only. Fix: use `k8s-leader run`"
        ) from exc
    _configure_log(config)
    if not argv[2:]:
        _load(str(config.get("elector", {}).get("store")))
    status: int = import_module("k8s_leader.app").run_elector(config, socket_fd)
    return int(status)


def _is_called(socket_fd: int) -> bool:
    """
    Wait for the guard's first word, and leave it; false when there will be none.
    """
    from socket import MSG_PEEK, socket

    from k8s_leader.guard.linux import die_with_parent

    end = socket(fileno=socket_fd)
    try:
        called = bool(end.recv(1, MSG_PEEK))
    except ConnectionError:
        called = False
    finally:
        end.detach()
    if called:  # as the guard does with one that it starts itself
        die_with_parent(signal.SIGCONT)
    return called


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
