"""
What becomes of calls when the way to the API server is bad.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from k8s_leader.errors import (
    LeaseConflictError,
    LeaseError,
    LeaseForbiddenError,
    LeaseMalformedError,
    LeaseNotFoundError,
    LeaseUnauthorizedError,
    LeaseUnavailableError,
)
from k8s_leader.kube import KubeClient, KubeSettings, LeaseApi, transport
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import connected, write_kubeconfig

T = 20.0


@pytest.fixture
async def fake() -> AsyncIterator[FakeKube]:
    async with FakeKube() as server:
        server.create("default/a", {"holderIdentity": "one"})
        yield server


@pytest.fixture
async def client(fake: FakeKube, tmp_path: Path) -> AsyncIterator[KubeClient]:
    settings = KubeSettings(kubeconfig=fake.kubeconfig(tmp_path))
    async with connected(settings) as found:
        yield found


@pytest.fixture
def leases(client: KubeClient) -> LeaseApi:
    return client.leases


async def read(leases: LeaseApi, name: str = "a") -> dict[str, Any]:
    found = await leases.get("default", name, timeout=T)
    assert found is not None
    return found


async def test_a_403_prints_the_rule_to_add(fake: FakeKube, leases: LeaseApi) -> None:
    fake.forbidden = {"get", "create"}
    with pytest.raises(LeaseForbiddenError) as caught:
        await read(leases)
    assert caught.value.rule == (
        '- apiGroups: ["coordination.k8s.io"]\n'
        '  resources: ["leases"]\n'
        '  resourceNames: ["a"]\n'
        '  verbs: ["get", "update", "list", "watch"]'
    )
    with pytest.raises(LeaseForbiddenError) as caught:
        await leases.create("default", {"metadata": {"name": "b"}}, timeout=T)
    assert caught.value.rule == (
        '- apiGroups: ["coordination.k8s.io"]\n'
        '  resources: ["leases"]\n'
        '  verbs: ["create"]'
    )


async def test_a_403_that_no_rule_can_mend_prints_none(
    fake: FakeKube, leases: LeaseApi
) -> None:
    fake.answer(403, message="unable to create: it is being terminated")
    with pytest.raises(LeaseForbiddenError, match="being terminated") as caught:
        await read(leases)
    assert caught.value.rule == ""


@pytest.mark.parametrize("code", [429, 503])
async def test_the_seconds_of_retry_after_are_handed_on(
    fake: FakeKube, leases: LeaseApi, code: int
) -> None:
    fake.answer(code, Retry_After="7")
    with pytest.raises(LeaseUnavailableError) as caught:
        await read(leases)
    assert caught.value.retry_after == 7.0


async def test_a_date_in_retry_after_becomes_seconds(
    fake: FakeKube, leases: LeaseApi
) -> None:
    fake.answer(503, Retry_After=email.utils.formatdate(time.time() + 30, usegmt=True))
    with pytest.raises(LeaseUnavailableError) as caught:
        await read(leases)
    assert caught.value.retry_after is not None
    assert 25 < caught.value.retry_after <= 31


async def test_a_page_of_a_load_balancer_is_an_outage(
    fake: FakeKube, leases: LeaseApi
) -> None:
    fake.raw(503, Retry_After="2")
    with pytest.raises(LeaseUnavailableError, match="not from Kubernetes") as caught:
        await read(leases)
    assert caught.value.retry_after == 2.0


@pytest.mark.parametrize("code", [404, 400, 500, 502, 504])
async def test_a_foreign_page_never_means_that_the_lease_is_gone(
    fake: FakeKube, leases: LeaseApi, code: int
) -> None:
    fake.raw(code, b"404 page not found", content_type="text/plain")
    with pytest.raises(LeaseUnavailableError):
        await leases.get("default", "a", timeout=T)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b'{"kind": "Lease", "meta', b"[]", b"null", b'{"kind": "Pod"}', b""],
)
async def test_a_good_answer_that_is_no_lease_is_malformed(
    fake: FakeKube, leases: LeaseApi, body: bytes
) -> None:
    fake.raw(200, body, content_type="application/json")
    with pytest.raises(LeaseMalformedError):
        await read(leases)


async def test_redirects_are_not_followed(fake: FakeKube, leases: LeaseApi) -> None:
    fake.raw(307, b"", Location=f"{fake.url}/version")
    with pytest.raises(LeaseUnavailableError, match="redirects are not followed"):
        await read(leases)
    assert fake.count("version") == 0


@pytest.mark.parametrize("verb", ["get", "update"])
@pytest.mark.parametrize("fault", ["reset", "truncate"])
async def test_a_connection_that_breaks_is_an_outage_and_nothing_is_sent_twice(
    fake: FakeKube, leases: LeaseApi, verb: str, fault: str
) -> None:
    lease = await read(leases)  # so that the connection is a reused one
    before = len(fake.requests)
    getattr(fake, fault)(verb)
    call = {"get": read(leases), "update": leases.replace("default", lease, timeout=T)}
    asked = call.pop(verb)
    call.popitem()[1].close()
    with pytest.raises(LeaseUnavailableError):
        await asked
    await fake.until(lambda: len(fake.requests) > before)
    assert len(fake.requests) == before + 1
    assert await read(leases)  # the next one works


async def test_a_lease_is_read_from_the_store_and_from_no_cache(
    fake: FakeKube, leases: LeaseApi
) -> None:
    """
    With resourceVersion=0 the API server answers from memory, which may lag behind.
    """
    await read(leases)
    assert [seen.query for seen in fake.requests if seen.verb == "get"] == [{}]


async def test_a_write_may_land_though_its_answer_is_lost(
    fake: FakeKube, leases: LeaseApi
) -> None:
    lease = await read(leases)
    fake.reset("update", lands=True)
    lease["spec"]["holderIdentity"] = "two"
    with pytest.raises(LeaseUnavailableError):
        await leases.replace("default", lease, timeout=T)
    assert (await read(leases))["spec"]["holderIdentity"] == "two"
    with pytest.raises(LeaseConflictError):
        await leases.replace("default", lease, timeout=T)


@pytest.mark.slow
async def test_a_hanging_call_ends_at_its_deadline(
    fake: FakeKube, leases: LeaseApi
) -> None:
    fake.hang("get")
    started = time.monotonic()
    with pytest.raises(LeaseUnavailableError, match=r"no answer in 2 s"):
        await leases.get("default", "a", timeout=2.0)
    assert time.monotonic() - started < 5
    fake.release()
    assert await read(leases)


async def test_a_call_without_time_left_is_not_sent(
    fake: FakeKube, leases: LeaseApi
) -> None:
    with pytest.raises(LeaseUnavailableError, match="no time left"):
        await leases.get("default", "a", timeout=0.0)
    assert fake.requests == []


async def test_connecting_counts_towards_the_deadline(tmp_path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))  # accepts, says nothing
    port = server.getsockname()[1]
    config = write_kubeconfig(
        tmp_path / "c",
        server=f"https://127.0.0.1:{port}",  # the TLS handshake never ends
        cluster={"insecure-skip-tls-verify": True},
    )
    async with connected(KubeSettings(kubeconfig=config)) as client:
        with pytest.raises(LeaseUnavailableError, match="no answer"):
            await client.leases.get("default", "a", timeout=0.2)
    server.close()


async def test_a_refused_connection_is_an_outage(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    config = write_kubeconfig(tmp_path / "c", server=f"http://127.0.0.1:{port}")
    async with connected(KubeSettings(kubeconfig=config)) as client:
        with pytest.raises(LeaseUnavailableError, match="Cannot connect"):
            await client.leases.get("default", "a", timeout=T)
        assert not await client.leases.warm(timeout=T)


async def test_an_answer_without_end_is_cut_off(
    fake: FakeKube, leases: LeaseApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER", 1000)
    fake.raw(200, b"x" * 2000)
    with pytest.raises(LeaseMalformedError, match="more than 1000 bytes"):
        await read(leases)


async def test_an_answer_of_another_encoding_than_asked_for_is_an_outage(
    fake: FakeKube, leases: LeaseApi
) -> None:
    fake.raw(200, b"no gzip", content_type="application/json", Content_Encoding="gzip")
    with pytest.raises(LeaseError):
        await read(leases)


async def test_what_the_server_says_is_one_bounded_line(
    fake: FakeKube, leases: LeaseApi
) -> None:
    fake.answer(422, message="a\nfake log line\x1b[31m " + "x" * 5000)
    with pytest.raises(LeaseMalformedError) as caught:
        await read(leases)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


async def test_a_401_is_an_outage_of_its_own_kind(
    fake: FakeKube, leases: LeaseApi
) -> None:
    fake.token = "another"
    with pytest.raises(LeaseUnauthorizedError) as caught:
        await read(leases)
    assert "anybody" not in str(caught.value)
    assert fake.count("get") == 1  # there was no other token to try


async def test_a_missing_lease_is_an_error_for_other_requests(
    client: KubeClient,
) -> None:
    from k8s_leader.kube import Right, leases_path

    right = Right(verb="get", namespace="default", name="b")
    with pytest.raises(LeaseNotFoundError):
        await client.request("GET", leases_path("default", "b"), right=right, timeout=T)


async def test_names_cannot_leave_their_place_in_the_path(
    fake: FakeKube, leases: LeaseApi
) -> None:
    assert await leases.get("default", "../../../version", timeout=T) is None
    assert fake.count("version") == 0


async def test_calls_share_one_connection_and_watches_use_another(
    fake: FakeKube, leases: LeaseApi
) -> None:
    events = leases.watch("default", "a")
    async with contextlib.aclosing(events):
        await anext(events), await anext(events)
        for _ in range(3):
            await read(leases)
        await leases.warm(timeout=T)
    watch = {s.peer for s in fake.requests if s.verb in {"list", "watch"}}
    calls = {s.peer for s in fake.requests if s.verb in {"get", "version"}}
    assert len(watch) == len(calls) == 1
    assert watch != calls


async def test_sockets_notice_dead_peers(
    fake: FakeKube, tmp_path: Path, sockets: list[socket.socket]
) -> None:
    settings = KubeSettings(kubeconfig=fake.kubeconfig(tmp_path))
    async with connected(settings) as client:
        await read(client.leases)
        (one,) = sockets
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_the_environment_cannot_change_the_way(
    fake: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    config = write_kubeconfig(tmp_path / "c", server=fake.url)
    async with connected(KubeSettings(kubeconfig=config)) as client:
        await read(client.leases)
    assert "Authorization" not in fake.requests[-1].headers


async def test_the_proxy_of_the_kubeconfig_is_used(tmp_path: Path) -> None:
    async with FakeKube() as proxy:
        config = write_kubeconfig(
            tmp_path / "c",
            server="http://kube.invalid:1",
            cluster={"proxy-url": proxy.url},
        )
        proxy.create("default/a")
        async with connected(KubeSettings(kubeconfig=config)) as client:
            await read(client.leases)
        assert proxy.requests[-1].headers["Host"] == "kube.invalid:1"


async def test_a_proxy_password_stays_out_of_messages(tmp_path: Path) -> None:
    config = write_kubeconfig(
        tmp_path / "c",
        server="http://kube.invalid:1",
        cluster={"proxy-url": "http://me:hunter2@127.0.0.1:9"},
    )
    async with connected(KubeSettings(kubeconfig=config)) as client:
        with pytest.raises(LeaseUnavailableError) as caught:
            await client.leases.get("default", "a", timeout=T)
    assert "hunter2" not in f"{caught.value} {client.source} {client.host}"


async def test_bodies_are_sent_as_they_are(fake: FakeKube, leases: LeaseApi) -> None:
    lease = await read(leases)
    lease["spec"]["unknownField"] = {"é": [1, None]}
    with contextlib.suppress(LeaseError):
        await leases.replace("default", lease, timeout=T)
    assert fake.requests[-1].body == json.loads(json.dumps(lease))
    assert fake.requests[-1].headers["User-Agent"] == "k8s-leader"
