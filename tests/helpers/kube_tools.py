"""
What tests of the API client share.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from k8s_leader.clock import SystemClock
from k8s_leader.kube import KubeClient, KubeSettings, WatchTiming
from tests.helpers.fake_kube import FakeKube

PKI = Path(__file__).parent / "pki"

QUICK = WatchTiming(
    request=5.0,
    lifetime=60.0,
    silence=30.0,
    settled=30.0,
    pause_min=0.001,
    pause_max=0.01,
)
"""A watch that does not make tests wait after a failure."""


@dataclass
class ManualClock:
    """
    A clock that stands still until it is told otherwise.
    """

    at: float = 1000.0
    unix: float = 1_700_000_000.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.unix

    def advance(self, seconds: float) -> None:
        self.at += seconds
        self.unix += seconds


def pem(name: str) -> str:
    """
    Return one of the test certificates or keys.
    """
    return (PKI / name).read_text("utf-8")


def server_context(name: str = "server", *, client_ca: str = "") -> ssl.SSLContext:
    """
    Return the context of a fake API server; ``client_ca`` makes it ask for ours.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PKI / f"{name}.pem", PKI / f"{name}.key")
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(PKI / f"{client_ca}.pem")
    return context


def write_kubeconfig(
    path: Path,
    *,
    server: object = "https://127.0.0.1:6443",
    cluster: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
) -> str:
    """
    Write a kubeconfig with one context called ``main``; return its path.
    """
    content = {
        "current-context": "main",
        "contexts": [
            {
                "name": "main",
                "context": {"cluster": "c", "user": "u", **(context or {})},
            }
        ],
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": dict(user or {})}],
    }
    path.write_text(yaml.safe_dump(content), "utf-8")
    return str(path)


def service_account(
    folder: Path, *, token: str = "secret-token", ca: str = "ca", namespace: str = "ns"
) -> str:
    """
    Write what the kubelet mounts into a Pod; return the folder.
    """
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(f"{token}\n", "utf-8")
    (folder / "ca.crt").write_text(pem(f"{ca}.pem"), "utf-8")
    (folder / "namespace").write_text(f"{namespace}\n", "utf-8")
    return str(folder)


def pod_environ(fake: FakeKube) -> dict[str, str]:
    """
    Return the variables that lead a Pod to this server.
    """
    host, _, port = fake.url.removeprefix("https://").rpartition(":")
    return {
        "KUBERNETES_SERVICE_HOST": host.strip("[]"),
        "KUBERNETES_SERVICE_PORT": port,
        "HOME": "/nonexistent",
    }


@contextlib.asynccontextmanager
async def connected(
    settings: KubeSettings,
    environ: Mapping[str, str] | None = None,
    *,
    clock: Any = None,
    watch_timing: WatchTiming = QUICK,
) -> AsyncIterator[KubeClient]:
    """
    Connect with an environment that holds nothing else.
    """
    async with KubeClient.connect(
        settings,
        environ={"HOME": "/nonexistent"} if environ is None else environ,
        clock=clock or SystemClock(),
        watch_timing=watch_timing,
    ) as client:
        yield client
