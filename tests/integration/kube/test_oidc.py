"""
OpenID tokens of a kubeconfig: used, refreshed over verified connections, refused.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from k8s_leader.errors import LeaseUnauthorizedError, SettingsError
from k8s_leader.kube import KubeClient, KubeSettings
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import (
    ManualClock,
    connected,
    pem,
    server_context,
    write_kubeconfig,
)

# What kubernetes_asyncio does with newer Pythons and aiohttp is not for us to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

T = 20.0
CA = base64.b64encode(pem("ca.pem").encode()).decode()


async def read(client: KubeClient) -> None:
    await client.leases.get("default", "a", timeout=T)


class Provider:
    """
    An identity provider that hands out one token after the other.
    """

    def __init__(self, *answers: dict[str, str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.asked.append(
            (request.headers["Authorization"], str(form["refresh_token"]))
        )
        return web.json_response(self.answers.pop(0))

    async def about(self, _: web.Request) -> web.Response:
        return web.json_response({"token_endpoint": f"{self.url}/token"})

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self.about)
        app.router.add_post("/token", self.token)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context())
        await site.start()
        self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()

    def user(self, **config: str) -> dict[str, Any]:
        known = {
            "idp-issuer-url": self.url,
            "client-id": "us",
            "client-secret": "secret",
            "refresh-token": "refresh-1",
        }
        return {"auth-provider": {"name": "oidc", "config": {**known, **config}}}


async def test_an_expired_token_is_refreshed_and_so_is_a_refused_one(
    tmp_path: Path,
) -> None:
    good, better, clock = jwt(4_000_000_000), jwt(4_000_000_001), ManualClock()
    provider = Provider(
        {"id_token": good},  # this one lets the refresh token live
        {"id_token": better, "refresh_token": "refresh-2"},
    )
    async with provider.serving(), FakeKube(token=good) as fake:
        user = provider.user(
            **{"id-token": jwt(1), "idp-certificate-authority-data": CA}
        )
        config = write_kubeconfig(tmp_path / "c", server=fake.url, user=user)
        async with connected(KubeSettings(kubeconfig=config), clock=clock) as client:
            await read(client)
            fake.token = better
            clock.advance(11.0)
            await read(client)
    name = base64.b64encode(b"us:secret").decode()
    assert provider.asked == [(f"Basic {name}", "refresh-1")] * 2


async def test_no_secret_goes_to_a_provider_that_nobody_vouches_for(
    tmp_path: Path,
) -> None:
    provider = Provider({"id_token": jwt(4_000_000_000)})
    async with provider.serving():
        user = provider.user(**{"id-token": jwt(1)})
        config = write_kubeconfig(tmp_path / "c", user=user)
        with pytest.raises(SettingsError, match="certificate") as caught:
            async with connected(KubeSettings(kubeconfig=config)):
                pass
    assert provider.asked == []
    assert "refresh-1" not in str(caught.value)


def jwt(expires: int) -> str:
    body = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode()
    return f"head.{body.rstrip('=')}.tail"


async def test_an_oidc_token_of_the_kubeconfig_is_used(tmp_path: Path) -> None:
    token = jwt(4_000_000_000)
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": token}}}
    async with FakeKube(token=token) as fake:
        config = write_kubeconfig(tmp_path / "c", server=fake.url, user=user)
        async with connected(KubeSettings(kubeconfig=config)) as client:
            await read(client)


async def test_a_refused_oidc_token_is_not_taken_from_the_kubeconfig_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": jwt(4 * 10**9)}}}
    clock = ManualClock()
    async with FakeKube(token="another") as fake:
        config = write_kubeconfig(tmp_path / "c", server=fake.url, user=user)
        async with connected(KubeSettings(kubeconfig=config), clock=clock) as client:
            clock.advance(11.0)
            with pytest.raises(LeaseUnauthorizedError):
                await read(client)
    assert "refresh-token" in caplog.text  # there is none to get a new one with


async def test_an_oidc_token_that_cannot_be_had_is_a_settings_error(
    tmp_path: Path,
) -> None:
    user = {"auth-provider": {"name": "oidc", "config": {}}}
    config = write_kubeconfig(tmp_path / "c", user=user)
    with pytest.raises(SettingsError, match="auth-provider"):
        async with connected(KubeSettings(kubeconfig=config)):
            pass
