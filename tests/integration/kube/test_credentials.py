"""
Credentials that change while a client is connected, and the ways into a cluster.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from k8s_leader.errors import (
    LeaseUnauthorizedError,
    LeaseUnavailableError,
    SettingsError,
)
from k8s_leader.kube import KubeClient, KubeSettings
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import (
    ManualClock,
    connected,
    pem,
    pod_environ,
    server_context,
    service_account,
    write_kubeconfig,
)

T = 20.0


async def read(client: KubeClient) -> None:
    await client.leases.get("default", "a", timeout=T)


def shown(fake: FakeKube) -> list[str]:
    return [s.headers.get("Authorization", "") for s in fake.requests]


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[tuple[FakeKube, Path]]:
    folder = tmp_path / "sa"
    service_account(folder)
    async with FakeKube(tls=server_context(), token="secret-token") as fake:
        yield fake, folder


def in_pod(pod: tuple[FakeKube, Path], clock: ManualClock) -> Any:
    fake, folder = pod
    settings = KubeSettings(service_account_dir=str(folder))
    return connected(settings, pod_environ(fake), clock=clock)


async def test_a_pod_uses_its_service_account(pod: tuple[FakeKube, Path]) -> None:
    async with in_pod(pod, ManualClock()) as client:
        await read(client)
        assert client.namespace == "ns"
        assert client.host == pod[0].url
    assert shown(pod[0]) == ["Bearer secret-token"]  # the line's end is gone


async def test_proxies_of_the_environment_are_nothing_to_a_pod(
    pod: tuple[FakeKube, Path],
) -> None:
    fake, folder = pod
    environ = pod_environ(fake) | {"HTTPS_PROXY": "http://127.0.0.1:9"}
    settings = KubeSettings(service_account_dir=str(folder))
    async with connected(settings, environ) as client:
        await read(client)


async def test_ipv6_hosts_work(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.fail("this machine has no IPv6 loopback")
    folder = tmp_path / "sa"
    service_account(folder)
    async with FakeKube(tls=server_context(), host="::1") as fake:
        assert pod_environ(fake)["KUBERNETES_SERVICE_HOST"] == "::1"
        async with in_pod((fake, folder), ManualClock()) as client:
            await read(client)
            assert client.host.startswith("https://[::1]:")


async def test_a_rotated_token_is_picked_up_within_a_minute(
    pod: tuple[FakeKube, Path],
) -> None:
    fake, folder = pod
    clock = ManualClock()
    async with in_pod(pod, clock) as client:
        await read(client)
        (folder / "token").write_text("second-token\n")
        fake.token = None
        await read(client)
        clock.advance(59.0)
        await read(client)
    assert shown(fake) == ["Bearer secret-token"] * 2 + ["Bearer second-token"]


async def test_a_refused_token_is_read_again_at_once_and_the_call_succeeds(
    pod: tuple[FakeKube, Path],
) -> None:
    fake, folder = pod
    async with in_pod(pod, ManualClock()) as client:
        await read(client)
        (folder / "token").write_text("second-token\n")
        fake.token = "second-token"
        await read(client)
    assert [s.code for s in fake.requests] == [404, 401, 404]


@pytest.mark.parametrize("content", [None, "", " \n", "two words\x00", "Ω"])
async def test_an_unusable_token_file_leaves_the_old_token_in_use(
    pod: tuple[FakeKube, Path],
    content: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake, folder = pod
    clock = ManualClock()
    async with in_pod(pod, clock) as client:
        if content is None:
            (folder / "token").unlink()
        else:
            (folder / "token").write_text(content)
        for _ in range(3):
            clock.advance(61.0)
            await read(client)
        (folder / "token").write_text("secret-token")
        clock.advance(61.0)
        await read(client)
    assert shown(fake) == ["Bearer secret-token"] * 4
    assert len([r for r in caplog.records if "cannot be used" in r.message]) == 1
    assert "secret-token" not in caplog.text


async def test_a_token_that_stays_refused_is_tried_once_per_reading(
    pod: tuple[FakeKube, Path],
) -> None:
    fake, folder = pod
    async with in_pod(pod, ManualClock()) as client:
        fake.token = "unknown-to-us"
        (folder / "token").write_text("second-token\n")
        with pytest.raises(LeaseUnauthorizedError) as caught:
            await read(client)
        with pytest.raises(LeaseUnauthorizedError):
            await read(client)
    assert len(fake.requests) == 3  # 401, again with the new one, then only once
    assert "token" not in str(caught.value).replace("LeaseUnauthorized", "")


async def test_a_rotated_ca_is_trusted_without_a_new_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "sa"
    service_account(folder, ca="other-ca")
    clock = ManualClock()
    async with (
        FakeKube(tls=server_context()) as fake,
        in_pod((fake, folder), clock) as client,
    ):
        with pytest.raises(LeaseUnavailableError, match="certificate"):
            await read(client)
        (folder / "ca.crt").write_text("half a certif")
        with pytest.raises(LeaseUnavailableError):
            await read(client)  # the failed handshake made us look: malformed
        with pytest.raises(LeaseUnavailableError):
            await read(client)
        (folder / "ca.crt").write_text(pem("ca.pem"))
        await read_until_trusted(client)
    complaints = [r for r in caplog.records if "cannot be used" in r.message]
    assert len(complaints) == 1


async def read_until_trusted(client: KubeClient) -> None:
    with contextlib.suppress(LeaseUnavailableError):
        await read(client)
        return
    await read(client)


async def test_a_new_ca_does_not_cut_what_is_open(pod: tuple[FakeKube, Path]) -> None:
    fake, folder = pod
    clock = ManualClock()
    async with in_pod(pod, clock) as client:
        events = client.leases.watch("default", "a")
        async with contextlib.aclosing(events):
            await anext(events), await anext(events)
            (folder / "ca.crt").write_text(pem("ca.pem") + pem("other-ca.pem"))
            clock.advance(60.0)
            await read(client)
            fake.create("default/a")
            assert (await anext(events)).kind == "changed"


async def test_an_untouched_ca_is_not_loaded_again(pod: tuple[FakeKube, Path]) -> None:
    fake, _ = pod
    clock = ManualClock()
    async with in_pod(pod, clock) as client:
        for _ in range(3):
            await read(client)
            clock.advance(61.0)
    assert len({s.peer for s in fake.requests}) == 1


async def test_a_server_that_presents_another_name_is_refused_unless_named(
    tmp_path: Path,
) -> None:
    async with FakeKube(tls=server_context("server")) as fake:
        cluster = {
            "certificate-authority-data": base64.b64encode(
                pem("ca.pem").encode()
            ).decode()
        }
        for name, is_good in (("kube.test", True), ("wrong.test", False)):
            config = write_kubeconfig(
                tmp_path / "c",
                server=fake.url,
                cluster={**cluster, "tls-server-name": name},
            )
            async with connected(KubeSettings(kubeconfig=config)) as client:
                if is_good:
                    await read(client)
                    continue
                with pytest.raises(LeaseUnavailableError):
                    await read(client)


async def test_client_certificates_are_presented_and_rotated(tmp_path: Path) -> None:
    for kind in ("pem", "key"):
        (tmp_path / f"me.{kind}").write_text(pem(f"client.{kind}"))
    (tmp_path / "ca.crt").write_text(pem("ca.pem"))
    clock = ManualClock()
    tls = server_context(client_ca="ca")
    async with FakeKube(tls=tls) as fake:
        config = write_kubeconfig(
            tmp_path / "c",
            server=fake.url,
            cluster={"certificate-authority": "ca.crt"},
            user={"client-certificate": "me.pem", "client-key": "me.key"},
        )
        async with connected(KubeSettings(kubeconfig=config), clock=clock) as client:
            await read(client)
            (tmp_path / "me.key").write_text(pem("server.key"))  # does not fit
            clock.advance(31.0)
            await read(client)
            (tmp_path / "me.key").write_text(pem("client.key"))
            clock.advance(31.0)
            await read(client)


def plugin(folder: Path, body: str) -> dict[str, Any]:
    """
    Make a credential plugin that writes down each of its runs.
    """
    script = folder / "plugin.py"
    runs = folder / "runs"
    lines = [f"import json, sys, os, time\nopen({str(runs)!r}, 'a').write('x')\n", body]
    script.write_text("\n".join(lines))
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(script)],
            "env": [{"name": "WHO", "value": "me"}],
            "interactiveMode": "Never",
        }
    }


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


GOOD = """
status = json.load(open({status!r}))
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert os.environ["WHO"] == "me"
print(json.dumps({{"apiVersion": info["apiVersion"], "kind": "ExecCredential",
                  "status": status}}))
"""


@pytest.fixture
def status(tmp_path: Path) -> Path:
    path = tmp_path / "status"
    path.write_text(json.dumps({"token": "made-1"}))
    return path


async def test_a_plugin_runs_once_as_long_as_its_token_is_good(
    tmp_path: Path, status: Path
) -> None:
    user = plugin(tmp_path, GOOD.format(status=str(status)))
    async with FakeKube(token="made-1") as fake:
        config = write_kubeconfig(tmp_path / "c", server=fake.url, user=user)
        async with connected(KubeSettings(kubeconfig=config)) as client:
            await read(client)
            await read(client)
    assert shown(fake) == ["Bearer made-1"] * 2
    assert runs(tmp_path) == 1


async def test_a_refused_plugin_token_is_made_anew_but_not_in_a_storm(
    tmp_path: Path, status: Path
) -> None:
    user = plugin(tmp_path, GOOD.format(status=str(status)))
    clock = ManualClock()
    async with FakeKube(token="made-2") as fake:
        config = write_kubeconfig(tmp_path / "c", server=fake.url, user=user)
        async with connected(KubeSettings(kubeconfig=config), clock=clock) as client:
            for _ in range(3):
                with pytest.raises(LeaseUnauthorizedError):
                    await read(client)
            assert runs(tmp_path) == 1
            status.write_text(json.dumps({"token": "made-2"}))
            clock.advance(11.0)
            await read(client)
    assert runs(tmp_path) == 2


async def test_a_plugin_runs_again_before_its_token_expires(
    tmp_path: Path, status: Path
) -> None:
    clock = ManualClock()  # its wall clock shows 2023-11-14T22:13:20Z
    status.write_text(
        json.dumps({"token": "made-1", "expirationTimestamp": "2023-11-14T22:18:20Z"})
    )
    user = plugin(tmp_path, GOOD.format(status=str(status)))
    async with FakeKube() as fake:
        config = write_kubeconfig(tmp_path / "c", server=fake.url, user=user)
        async with connected(KubeSettings(kubeconfig=config), clock=clock) as client:
            clock.advance(235.0)
            await read(client)
            assert runs(tmp_path) == 1
            status.write_text(json.dumps({"token": "made-2"}))
            clock.advance(10.0)
            await read(client)  # is not held up by the plugin
            while shown(fake)[-1] != "Bearer made-2":
                await read(client)
            status.unlink()  # it would fail from now on, but the new one is good
            await read(client)
    assert set(shown(fake)) == {"Bearer made-1", "Bearer made-2"}
    assert runs(tmp_path) == 2


async def test_a_plugin_that_fails_later_leaves_its_old_token_in_use(
    tmp_path: Path, status: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    status.write_text(
        json.dumps({"token": "made-1", "expirationTimestamp": "2023-11-14T22:18:20Z"})
    )
    user = plugin(tmp_path, GOOD.format(status=str(status)))
    async with FakeKube() as fake:
        config = write_kubeconfig(tmp_path / "c", server=fake.url, user=user)
        async with connected(KubeSettings(kubeconfig=config), clock=clock) as client:
            status.unlink()
            clock.advance(245.0)
            while "failed" not in caplog.text:
                await read(client)
            await read(client)
    assert set(shown(fake)) == {"Bearer made-1"}
    assert runs(tmp_path) == 2
    assert "failed" in caplog.text


async def test_a_plugin_may_hand_out_a_client_certificate(
    tmp_path: Path, status: Path
) -> None:
    pair = {
        "clientCertificateData": pem("client.pem"),
        "clientKeyData": pem("client.key"),
    }
    status.write_text(json.dumps(pair))
    user = plugin(tmp_path, GOOD.format(status=str(status)))
    (tmp_path / "ca.crt").write_text(pem("ca.pem"))
    async with FakeKube(tls=server_context(client_ca="ca")) as fake:
        config = write_kubeconfig(
            tmp_path / "c",
            server=fake.url,
            cluster={"certificate-authority": "ca.crt"},
            user=user,
        )
        async with connected(KubeSettings(kubeconfig=config)) as client:
            await read(client)
    assert shown(fake) == [""]


@pytest.mark.parametrize(
    "body",
    [
        "sys.exit('no luck')",
        "print('no json')",
        "print('{}')",
        'print(\'{"apiVersion": "v0", "status": {}}\')',
        "sys.stderr.write('x' * 2**20); sys.exit(1)",
        'print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", '
        '"kind": "ExecCredential", "status": {}}))',
    ],
)
async def test_a_plugin_that_never_worked_is_a_settings_error(
    tmp_path: Path, body: str
) -> None:
    config = write_kubeconfig(tmp_path / "c", user=plugin(tmp_path, body))
    config_settings = KubeSettings(kubeconfig=config)
    with pytest.raises(SettingsError, match="exec") as caught:
        async with connected(config_settings):
            pass
    assert "\n" not in str(caught.value)


async def test_a_missing_plugin_is_a_settings_error(tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "v1", "command": "./nowhere"}}
    config = write_kubeconfig(tmp_path / "c", user=user)
    with pytest.raises(SettingsError, match="exec"):
        async with connected(KubeSettings(kubeconfig=config)):
            pass


async def test_closing_kills_a_plugin_that_is_still_running(
    tmp_path: Path, status: Path
) -> None:
    clock = ManualClock()
    stamp = {"token": "made-1", "expirationTimestamp": "2023-11-14T22:18:20Z"}
    status.write_text(json.dumps(stamp))
    slow = (
        "if os.path.exists(__file__ + '.slow'):\n"
        "    open(__file__ + '.pid', 'w').write(str(os.getpid()) + ' ')\n"
        "    time.sleep(600)\n"
    )
    user = plugin(tmp_path, slow + GOOD.format(status=str(status)))
    async with FakeKube() as fake:
        config = write_kubeconfig(tmp_path / "c", server=fake.url, user=user)
        async with connected(KubeSettings(kubeconfig=config), clock=clock) as client:
            (tmp_path / "plugin.py.slow").touch()
            clock.advance(245.0)
            fake.token = "made-2"
            with pytest.raises(LeaseUnavailableError, match="no answer"):
                await client.leases.get("default", "a", timeout=0.3)
            pid = tmp_path / "plugin.py.pid"
            async with asyncio.timeout(30):
                while not (pid.exists() and pid.read_text().endswith(" ")):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)  # a file tells nobody
    assert [s.code for s in fake.requests] == [401]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_impersonation_and_passwords_reach_the_server(tmp_path: Path) -> None:
    user = {
        "username": "me",
        "password": "hunter2",
        "as": "robot",
        "as-uid": "7",
        "as-groups": ["a", "b"],
        "as-user-extra": {"why": ["test"]},
    }
    async with FakeKube() as fake:
        config = write_kubeconfig(tmp_path / "c", server=fake.url, user=user)
        async with connected(KubeSettings(kubeconfig=config)) as client:
            await read(client)
    headers = fake.requests[0].headers
    assert base64.b64decode(headers["Authorization"].split()[1]) == b"me:hunter2"
    assert headers["Impersonate-User"] == "robot"
    assert headers["Impersonate-Uid"] == "7"
    assert headers["Impersonate-Extra-why"] == "test"
    assert "Impersonate-Group" in headers
