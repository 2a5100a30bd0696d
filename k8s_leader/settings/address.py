"""
Where HTTP listens: an address and a port, or nowhere.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

from k8s_leader.values import dataclass

__all__ = ["DEFAULT_PORT", "HttpAddress", "http_address"]

DEFAULT_PORT = 9090
"""The documented port of the entrypoint in a Pod."""

_HIGHEST = 65535
_WRITTEN = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:\[\]]*)):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAddress:
    """
    Where to listen.

    Attributes:
        host: a numeric address; empty: all, IPv6 and IPv4.
        port: 0 for any free one.
    """

    host: str = ""
    port: int

    def __str__(self) -> str:
        """
        Return it as it is written in ``--http``.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def http_address(text: str) -> HttpAddress | Literal["auto", "off"]:
    """
    Return where ``:9090``, ``127.0.0.1:9090`` or ``[::1]:9090`` is; ``auto``, ``off``.

    Raises:
        ValueError: it is none of these.
    """
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    found = _WRITTEN.fullmatch(text)
    host = "" if found is None else found["v6"] or found["v4"] or ""
    if found is None or int(found["port"]) > _HIGHEST or not _is_address(host, found):
        raise ValueError(
            "auto, off, or [ADDRESS]:PORT with a numeric address, such as :9090, "
            "127.0.0.1:9090 or [::1]:9090"
        )
    return HttpAddress(host=host, port=int(found["port"]))


def _is_address(host: str, found: re.Match[str]) -> bool:
    if not host:
        return found["v6"] is None
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return False
    return (version == 6) is (found["v6"] is not None)  # noqa: PLR2004  # of IP
