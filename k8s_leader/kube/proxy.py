"""
Which proxy, if any, leads to the API server.

The decision: a Pod talks to its API server directly, whatever HTTPS_PROXY says (such
variables are meant for the workload). With a kubeconfig its ``proxy-url`` counts,
else HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Go reads them. ``~/.netrc`` never counts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from k8s_leader.errors import SettingsError

__all__ = ["proxy_from_environment", "proxy_from_kubeconfig"]


def proxy_from_kubeconfig(url: object, *, setting: str) -> str:
    """
    Return the ``proxy-url`` of a kubeconfig.

    Raises:
        SettingsError: it is no HTTP proxy. The value is not shown: it may hold a
            password.
    """
    parts = _parts(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(
            setting,
            "another kind of URL",
            allowed="http://HOST:PORT or https://HOST:PORT",
            fix="use an HTTP proxy; SOCKS is not supported",
        )
    return parts.geturl()


def proxy_from_environment(host: str, *, environ: Mapping[str, str]) -> str | None:
    """
    Return the proxy that the environment names for this URL, as Go would.

    Args:
        host: the URL of the API server.
        environ: the environment.
    """
    target = urlsplit(host)
    name = "HTTPS_PROXY" if target.scheme == "https" else "HTTP_PROXY"
    proxy = environ.get(name) or environ.get(name.lower()) or ""
    if not proxy or _is_direct(target, environ=environ):
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    return proxy_from_kubeconfig(url, setting=name)


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_direct(target: SplitResult, *, environ: Mapping[str, str]) -> bool:
    host = (target.hostname or "").rstrip(".")
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    port = target.port or (443 if target.scheme == "https" else 80)
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    words = (word.strip().lower() for word in listed.split(","))
    return any(_matches(word, host, address, port) for word in words if word)


def _matches(
    word: str,
    host: str,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None,
    port: int,
) -> bool:
    if word == "*":
        return True
    if "/" in word:
        try:
            return address is not None and address in ipaddress.ip_network(word)
        except ValueError:
            return False
    name, wanted_port = _split_port(word)
    if wanted_port and wanted_port != str(port):
        return False
    if address is not None:
        return _address(name) == address
    suffix = name.removeprefix("*") if name.startswith("*.") else name
    if suffix.startswith("."):
        return host.endswith(suffix)
    return host == suffix or host.endswith(f".{suffix}")


def _split_port(word: str) -> tuple[str, str]:
    if word.startswith("["):
        name, _, rest = word[1:].partition("]")
        return name, rest.removeprefix(":")
    if word.count(":") == 1:
        name, _, port = word.partition(":")
        return name, port
    return word, ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
