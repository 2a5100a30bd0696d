"""
Whether a proxy lies between us and the API server.
"""

from __future__ import annotations

import pytest

from k8s_leader.errors import SettingsError
from k8s_leader.kube.proxy import proxy_from_environment

PROXY = "http://proxy:3128"


def found(host: str, **environ: str) -> str | None:
    return proxy_from_environment(host, environ=environ)


@pytest.mark.parametrize(
    ("host", "environ", "expected"),
    [
        ("https://kube", {}, None),
        ("https://kube", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://kube", {"https_proxy": PROXY}, PROXY),
        ("https://kube", {"HTTP_PROXY": PROXY}, None),
        ("http://kube", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://kube", {"HTTPS_PROXY": "proxy:3128"}, PROXY),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_the_variable_of_the_scheme_counts(
    host: str, environ: dict[str, str], expected: str | None
) -> None:
    assert found(host, **environ) == expected


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_direct"),
    [
        ("https://kube.example", "*", True),
        ("https://kube.example", "other, kube.example", True),
        ("https://kube.example", "example", True),
        ("https://kube.example", ".example", True),
        ("https://kube.example", "*.example", True),
        ("https://KUBE.example.", "kube.EXAMPLE", True),
        ("https://notkube.example", "kube.example", False),
        ("https://example", ".example", False),
        ("https://kube.example", ",", False),
        ("https://kube.example:6443", "kube.example:6443", True),
        ("https://kube.example", "kube.example:443", True),
        ("http://kube.example", "kube.example:443", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://11.1.2.3", "10.0.0.0/8", False),
        ("https://kube.example", "10.0.0.0/8", False),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://10.1.2.3", "no/net", False),
        ("https://[fd00::1]:6443", "fd00::1", True),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", True),
        ("https://[fd00::1]:6443", "[fd00::1]:443", False),
    ],
)
def test_exceptions_are_read_as_go_reads_them(
    host: str, no_proxy: str, is_direct: bool
) -> None:
    proxy = found(host, HTTPS_PROXY=PROXY, HTTP_PROXY=PROXY, NO_PROXY=no_proxy)
    assert (proxy is None) is is_direct
    lower = found(host, HTTPS_PROXY=PROXY, HTTP_PROXY=PROXY, no_proxy=no_proxy)
    assert lower == proxy


def test_a_proxy_of_another_kind_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as caught:
        found("https://kube", HTTPS_PROXY="socks5://me:hunter2@host:1")
    assert "hunter2" not in str(caught.value)
