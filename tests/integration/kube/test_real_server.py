"""
What only the real API server can show: rights, outages and its own watch.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from typing import Any

import pytest
import yaml

from k8s_leader.errors import (
    LeaseForbiddenError,
    LeaseUnauthorizedError,
    LeaseUnavailableError,
)
from k8s_leader.kube import KubeClient, KubeSettings
from tests.helpers.cluster import ApiServer
from tests.helpers.kube_tools import QUICK, connected

pytestmark = pytest.mark.kube

T = 20.0
CREATE = """
- apiGroups: ["coordination.k8s.io"]
  resources: ["leases"]
  verbs: ["create"]
"""
NAMED = """
- apiGroups: ["coordination.k8s.io"]
  resources: ["leases"]
  resourceNames: ["a"]
  verbs: ["get", "update", "list", "watch"]
"""


def settings(server: ApiServer, token: str | None = None) -> KubeSettings:
    return KubeSettings(kubeconfig=str(server.kubeconfig(token)))


async def create(client: KubeClient, namespace: str, name: str = "a") -> Any:
    body = {"metadata": {"name": name}, "spec": {"holderIdentity": "one"}}
    return await client.leases.create(namespace, body, timeout=T)


async def test_the_rules_that_errors_print_are_all_that_is_needed(
    api_server: ApiServer, namespace: str
) -> None:
    rules = [*yaml.safe_load(NAMED), *yaml.safe_load(CREATE)]
    account = await asyncio.to_thread(
        api_server.service_account, namespace, "us", rules=rules
    )
    async with connected(settings(api_server, account)) as client:
        events = client.leases.watch(namespace, "a")
        async with contextlib.aclosing(events):
            assert (await anext(events)).kind == "current"
            assert (await anext(events)).kind == "connected"
            lease = await create(client, namespace)
            assert (await anext(events)).lease == lease
            lease["spec"]["holderIdentity"] = "two"
            await client.leases.replace(namespace, lease, timeout=T)
            assert (await anext(events)).kind == "changed"
        assert await client.leases.get(namespace, "a", timeout=T)


async def test_missing_rights_are_printed_as_the_rules_to_add(
    api_server: ApiServer, namespace: str
) -> None:
    account = await asyncio.to_thread(api_server.service_account, namespace, "nobody")
    async with connected(settings(api_server, account)) as client:
        with pytest.raises(LeaseForbiddenError) as caught:
            await client.leases.get(namespace, "a", timeout=T)
        assert caught.value.rule == NAMED.strip()
        with pytest.raises(LeaseForbiddenError) as caught:
            await create(client, namespace)
        assert caught.value.rule == CREATE.strip()


async def test_an_unknown_token_is_unauthorized(
    api_server: ApiServer, namespace: str
) -> None:
    async with connected(settings(api_server, "nonsense")) as client:
        with pytest.raises(LeaseUnauthorizedError):
            await client.leases.get(namespace, "a", timeout=T)


@pytest.mark.slow
async def test_a_frozen_server_costs_no_more_than_the_deadline(
    own_api_server: ApiServer,
) -> None:
    async with connected(settings(own_api_server)) as client:
        lease = await create(client, "default")
        own_api_server.freeze()
        started = time.monotonic()
        try:
            with pytest.raises(LeaseUnavailableError, match="no answer in 0"):
                await client.leases.replace("default", lease, timeout=0.5)
            assert time.monotonic() - started < 5
        finally:
            own_api_server.thaw()
        assert await client.leases.get("default", "a", timeout=T)


@pytest.mark.slow
async def test_a_watch_outlives_a_restart_and_a_roll_back(
    own_api_server: ApiServer,
) -> None:
    timing = dataclasses.replace(QUICK, pause_min=0.05, pause_max=0.5)
    async with connected(settings(own_api_server), watch_timing=timing) as client:
        lease = await create(client, "default")
        saved = await asyncio.to_thread(own_api_server.save_store)
        events = client.leases.watch("default", "a")
        async with contextlib.aclosing(events), asyncio.timeout(90):
            assert (await anext(events)).kind == "current"
            assert (await anext(events)).kind == "connected"
            lease["spec"]["holderIdentity"] = "two"
            newer = await replace_when_up(client, lease)
            assert (await anext(events)).lease == newer
            await asyncio.to_thread(own_api_server.restore_store, saved)
            assert (await anext(events)).kind == "disconnected"
            again = await anext(events)
            assert again.kind == "current"
            assert again.lease is not None
            assert again.lease["spec"]["holderIdentity"] == "one"
            old, new = (
                int(x["metadata"]["resourceVersion"]) for x in (again.lease, newer)
            )
            assert old < new


async def replace_when_up(client: KubeClient, lease: Any) -> Any:
    while True:
        with contextlib.suppress(LeaseUnavailableError):
            return await client.leases.replace("default", lease, timeout=T)
        await asyncio.sleep(0.05)


async def test_a_change_wakes_a_watch_in_milliseconds(
    api_server: ApiServer, namespace: str
) -> None:
    """
    The bound is wide because the machine is shared; polling would still exceed it.
    """
    took = []
    async with connected(settings(api_server)) as client:
        lease = await create(client, namespace)
        events = client.leases.watch(namespace, "a")
        async with contextlib.aclosing(events):
            await anext(events), await anext(events)
            for turn in range(30):
                lease["spec"]["holderIdentity"] = str(turn)
                started = time.perf_counter()
                lease = await client.leases.replace(namespace, lease, timeout=T)
                event = await anext(events)
                took.append(time.perf_counter() - started)
                assert event.lease == lease
    assert sorted(took)[15] < 0.1
