"""
How the API server is found, and every way in which that can fail.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from k8s_leader.errors import SettingsError
from k8s_leader.kube import KubeSettings
from k8s_leader.kube.access import Access, is_in_cluster, resolve
from tests.helpers.kube_tools import (
    ManualClock,
    pem,
    service_account,
    write_kubeconfig,
)

HOME = {"HOME": "/nonexistent"}
POD = HOME | {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}


def access(environ: dict[str, str] | None = None, **settings: Any) -> Access:
    return resolve(
        KubeSettings(**settings), environ=environ or HOME, clock=ManualClock()
    )


def refused(environ: dict[str, str] | None = None, **settings: Any) -> str:
    """
    Return the message of the one SettingsError that this must lead to.
    """
    with pytest.raises(SettingsError) as caught:
        access(environ, **settings)
    text = str(caught.value)
    assert "\n" not in text
    assert "hunter2" not in text
    assert caught.value.allowed
    assert len(text.split("Fix: ")[1]) > 10
    return text


@pytest.fixture
def sa(tmp_path: Path) -> Path:
    return Path(service_account(tmp_path / "sa", token="hunter2"))


def test_a_pod_without_kubeconfig_uses_its_own_account(sa: Path) -> None:
    found = access(POD, service_account_dir=str(sa))
    assert found.host == "https://10.96.0.1:443"
    assert found.namespace == "ns"
    assert found.proxy is None
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("host", ["fd00::1", "[fd00::1]"])
def test_ipv6_hosts_are_bracketed_once(sa: Path, host: str) -> None:
    environ = POD | {"KUBERNETES_SERVICE_HOST": host}
    assert access(environ, service_account_dir=str(sa)).host == "https://[fd00::1]:443"


def test_a_kubeconfig_beats_the_pod(sa: Path, tmp_path: Path) -> None:
    config = write_kubeconfig(tmp_path / "c", server="https://mine/")
    environ = POD | {"KUBECONFIG": config}
    assert access(environ, service_account_dir=str(sa)).host == "https://mine"


def test_an_empty_kubeconfig_leaves_it_to_the_pod(sa: Path, tmp_path: Path) -> None:
    (tmp_path / "c").touch()
    environ = POD | {"KUBECONFIG": str(tmp_path / "c")}
    found = access(environ, service_account_dir=str(sa))
    assert found.source == "service account of the Pod"


def test_the_namespace_of_a_pod(sa: Path) -> None:
    where = {"service_account_dir": str(sa)}
    assert access(POD, namespace="flag", **where).namespace == "flag"
    named = POD | {"POD_NAMESPACE": "downward"}
    assert access(named, **where).namespace == "downward"
    assert access(POD | {"POD_NAMESPACE": " "}, **where).namespace == "ns"
    (sa / "namespace").write_text("\n")
    assert access(POD, **where).namespace == "default"
    (sa / "namespace").unlink()
    assert access(POD, **where).namespace == "default"


def test_the_namespace_of_a_kubeconfig(sa: Path, tmp_path: Path) -> None:
    where = {"service_account_dir": str(sa)}
    with_namespace = write_kubeconfig(tmp_path / "1", context={"namespace": "context"})
    without = write_kubeconfig(tmp_path / "2")
    named = POD | {"POD_NAMESPACE": "downward"}
    assert access(POD, kubeconfig=without, namespace="flag").namespace == "flag"
    assert access(named, kubeconfig=with_namespace, **where).namespace == "context"
    assert access(named, kubeconfig=without, **where).namespace == "downward"
    assert access(POD, kubeconfig=without, **where).namespace == "ns"
    outside = HOME | {"POD_NAMESPACE": "stray"}
    assert access(outside, kubeconfig=without).namespace == "default"


def test_a_pod_is_recognized_by_variables_and_token(sa: Path, tmp_path: Path) -> None:
    here = KubeSettings(service_account_dir=str(sa))
    assert is_in_cluster(here, environ=POD)
    assert not is_in_cluster(here, environ=HOME)
    elsewhere = KubeSettings(service_account_dir=str(tmp_path / "none"))
    assert not is_in_cluster(elsewhere, environ=POD)


def test_nowhere_to_go_is_a_settings_error() -> None:
    assert "~/.kube/config" in refused()


def test_a_context_without_a_kubeconfig_is_a_settings_error() -> None:
    assert "--context is 'x'" in refused(POD, context="x")


def test_a_pod_without_a_token_is_told_so(tmp_path: Path) -> None:
    text = refused(POD, service_account_dir=str(tmp_path))
    assert "automountServiceAccountToken" in text


@pytest.mark.parametrize("content", [b"", b" \n", b"hunter2 \xff", b"hunter2\nmore"])
def test_a_token_that_is_none_is_refused(sa: Path, content: bytes) -> None:
    (sa / "token").write_bytes(content)
    assert "token" in refused(POD, service_account_dir=str(sa))


def test_an_unreadable_token_is_refused(sa: Path) -> None:
    (sa / "token").unlink()
    (sa / "token").mkdir()  # root may read everything but this
    assert "Is a directory" in refused(POD, service_account_dir=str(sa))


@pytest.mark.parametrize("content", [None, "", "no PEM", "-----BEGIN CERTIFICATE-----"])
def test_a_ca_that_is_none_is_refused(sa: Path, content: str | None) -> None:
    if content is None:
        (sa / "ca.crt").unlink()
    else:
        (sa / "ca.crt").write_text(content)
    assert str(sa / "ca.crt") in refused(POD, service_account_dir=str(sa))


@pytest.mark.parametrize("port", ["x", "99999"])
def test_a_port_that_is_none_is_refused(sa: Path, port: str) -> None:
    environ = POD | {"KUBERNETES_SERVICE_PORT": port}
    assert "KUBERNETES_SERVICE_HOST" in refused(environ, service_account_dir=str(sa))


@pytest.mark.parametrize(
    "server",
    [None, "", "host:6443", "ftp://host", "https://", "https://h:x", 7, "https://[::1"],
)
def test_a_server_that_is_none_is_refused(tmp_path: Path, server: object) -> None:
    config = write_kubeconfig(tmp_path / "c", server=server)
    assert "square brackets" in refused(kubeconfig=config)


def encoded(name: str) -> str:
    return base64.b64encode(pem(name).encode()).decode()


def test_certificates_may_be_given_as_data(tmp_path: Path) -> None:
    config = write_kubeconfig(
        tmp_path / "c",
        cluster={
            "certificate-authority-data": encoded("ca.pem"),
            "certificate-authority": "/ignored",
            "tls-server-name": "kube.test",
        },
        user={
            "client-certificate-data": encoded("client.pem"),
            "client-key-data": encoded("client.key"),
        },
    )
    found = access(kubeconfig=config)
    assert found.tls is not None
    assert found.tls_server_name == "kube.test"


def test_plain_http_needs_no_certificates(tmp_path: Path) -> None:
    config = write_kubeconfig(
        tmp_path / "c",
        server="http://host:8080/prefix/",
        cluster={"certificate-authority": "/ignored"},
    )
    found = access(kubeconfig=config)
    assert (found.tls, found.host) == (None, "http://host:8080/prefix")


def test_without_a_ca_the_system_is_trusted(tmp_path: Path) -> None:
    assert access(kubeconfig=write_kubeconfig(tmp_path / "c")).tls is not None


@pytest.mark.parametrize(
    ("cluster", "user", "named"),
    [
        ({"certificate-authority": "none"}, {}, "certificate-authority"),
        ({"certificate-authority-data": "hunter2!"}, {}, "certificate-authority-data"),
        ({"certificate-authority-data": 7}, {}, "certificate-authority-data"),
        ({"certificate-authority-data": "aHVudGVyMg=="}, {}, "certificate-authority"),
        ({}, {"client-certificate-data": encoded("client.pem")}, "client-key"),
        ({}, {"client-key-data": encoded("client.key")}, "client-certificate"),
        ({}, {"client-certificate": "a", "client-key": "b"}, "client-certificate"),
        (
            {},
            {
                "client-certificate-data": encoded("client.pem"),
                "client-key-data": encoded("server.key"),
            },
            "client-certificate",
        ),
        ({}, {"token": "hunter2\nx"}, "token"),
        ({}, {"tokenFile": "none"}, "tokenFile"),
        ({"proxy-url": "socks5://me:hunter2@host"}, {}, "proxy-url"),
        ({"proxy-url": "http://me:hunter2@host:x"}, {}, "proxy-url"),
        ({"proxy-url": 7}, {}, "proxy-url"),
        ({"tls-server-name": ["a"]}, {}, "tls-server-name"),
        ({"tls-server-name": "x" * 300}, {}, "tls-server-name"),
        ({"insecure-skip-tls-verify": "true"}, {}, "insecure-skip-tls-verify"),
        ({"certificate-authority": "a\0b"}, {}, "certificate-authority"),
        ({}, {"token": 12345}, "token"),
        ({}, {"username": "me", "password": 12345}, "password"),
        ({}, {"as": "a\nX-Evil: yes"}, "as"),
        ({}, {"as-groups": "admins"}, "as-groups"),
        ({}, {"as-groups": [None]}, "as-groups"),
        ({}, {"as-user-extra": ["a"]}, "as-user-extra"),
        ({}, {"as-user-extra": {"a": "b"}}, "as-user-extra"),
        ({}, {"as-user-extra": {1: ["b"]}}, "as-user-extra"),
        ({}, {"exec": "aws eks get-token"}, "exec"),
        ({}, {"auth-provider": "oidc"}, "auth-provider"),
        ({}, {"auth-provider": {"name": "azure"}}, "auth-provider"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], named: str
) -> None:
    config = write_kubeconfig(tmp_path / "c", cluster=cluster, user=user)
    message = refused(kubeconfig=config)
    assert message.startswith(f"{named} in ")
    assert "\n" not in message
    assert "hunter2" not in message


@pytest.mark.parametrize("namespace", [7, True, ["a"], {"a": 1}, "Bad NS", "x" * 64])
def test_a_namespace_that_is_none_is_refused(tmp_path: Path, namespace: object) -> None:
    config = write_kubeconfig(tmp_path / "c", context={"namespace": namespace})
    assert refused(kubeconfig=config).startswith("namespace in ")


def test_a_namespace_of_a_pod_that_is_none_is_refused(sa: Path) -> None:
    environ = POD | {"POD_NAMESPACE": "$(NAMESPACE)"}
    message = refused(environ, service_account_dir=str(sa))
    assert message.startswith("POD_NAMESPACE is '$(NAMESPACE)'")
    (sa / "namespace").write_text("two words")
    assert "'two words'" in refused(POD, service_account_dir=str(sa))


async def authorization(tmp_path: Path, **user: Any) -> str | None:
    config = write_kubeconfig(tmp_path / "c", user=user)
    return (await access(kubeconfig=config).tokens.current()).authorization


async def test_a_token_file_beats_a_token_and_both_beat_the_rest(
    tmp_path: Path,
) -> None:
    (tmp_path / "t").write_text("of-file\n")
    rest: dict[str, Any] = {
        "username": "me",
        "exec": {"command": "x"},
        "auth-provider": {},
    }
    found = await authorization(tmp_path, tokenFile="t", token="direct", **rest)
    assert found == "Bearer of-file"
    assert await authorization(tmp_path, token="direct", **rest) == "Bearer direct"
    found = await authorization(tmp_path, **rest)
    assert found == "Basic " + base64.b64encode(b"me:").decode()
    assert await authorization(tmp_path) is None


def test_a_proxy_of_the_kubeconfig_beats_the_environment(tmp_path: Path) -> None:
    environ = HOME | {"HTTPS_PROXY": "http://environment:1"}
    other = write_kubeconfig(tmp_path / "1", server="https://kube.example")
    assert access(environ, kubeconfig=other).proxy == "http://environment:1"
    named = write_kubeconfig(tmp_path / "2", cluster={"proxy-url": "http://named:1"})
    assert access(environ, kubeconfig=named).proxy == "http://named:1"
