"""
Where kopf finds the API server: where our own client does.
"""

from __future__ import annotations

import kopf
import pytest

from k8s_leader.operator import run


@pytest.mark.parametrize(
    ("host", "server"),
    [("10.0.0.1", "https://10.0.0.1:6443"), ("fd00::1", "https://[fd00::1]:6443")],
)
def test_in_a_pod_the_server_is_found_without_a_name_server(
    monkeypatch: pytest.MonkeyPatch, host: str, server: str
) -> None:
    of_kopf = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="t")
    monkeypatch.setattr(kopf, "login_with_kubeconfig", lambda **_: None)
    monkeypatch.setattr(kopf, "login_with_service_account", lambda **_: of_kopf)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    found = run._login()
    assert found is not None
    assert (found.server, found.token) == (server, "t")
