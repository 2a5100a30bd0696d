"""
The listening sockets: bound before anything is promised, served later.
"""

from __future__ import annotations

import errno
import os
import socket

from k8s_leader.errors import SettingsError
from k8s_leader.settings.address import HttpAddress

__all__ = ["BACKLOG", "listen", "url_of"]

BACKLOG = 1024
"""Connections that the kernel keeps for us; one more waits a second to try again."""


def listen(address: HttpAddress, *, setting: str = "--http") -> socket.socket:
    """
    Return a socket that listens; of all addresses over IPv6 and IPv4 where possible.

    Args:
        address: where; port 0 is any free one.
        setting: how the person wrote it, for the message.

    Raises:
        SettingsError: the port is in use, or not to be had.
    """
    try:
        return _bound(address)
    except OSError as exc:
        raise _refusal(setting, address, exc) from exc


def _bound(address: HttpAddress) -> socket.socket:
    if address.host:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        place = (address.host, address.port)
        return socket.create_server(place, family=family, backlog=BACKLOG)
    try:
        return socket.create_server(
            ("", address.port),
            family=socket.AF_INET6,
            backlog=BACKLOG,
            dualstack_ipv6=True,
        )
    except (OSError, ValueError) as exc:
        if isinstance(exc, OSError) and exc.errno in (errno.EADDRINUSE, errno.EACCES):
            raise
    # A kernel without IPv6, or a Pod whose IPv6 is switched off.
    return socket.create_server(("", address.port), backlog=BACKLOG)


def _refusal(setting: str, address: HttpAddress, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        allowed = "a free port; this one is in use"
        fix = f"choose another port ({setting} :PORT), or none ({setting} off)"
    elif error.errno == errno.EACCES:
        allowed = "a port that this user may listen on"
        fix = "use a port above 1023"
    else:
        allowed = f"an address of this machine ({os.strerror(error.errno or 0)})"
        fix = f"use {setting} :PORT for all addresses"
    return SettingsError(setting, str(address), allowed=allowed, fix=fix)


def url_of(listening: socket.socket) -> str:
    """
    Return where processes beside us (the workload) reach this socket.
    """
    host, port = listening.getsockname()[:2]
    if host in ("::", "0.0.0.0"):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
