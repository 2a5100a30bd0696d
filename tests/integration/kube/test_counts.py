"""
Requests are counted by verb and status, over all connections of a client.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from k8s_leader.errors import LeaseConflictError, LeaseUnavailableError
from k8s_leader.kube import KubeSettings
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import connected


async def test_every_request_is_counted_by_verb_and_status(tmp_path: Path) -> None:
    async with FakeKube() as fake, contextlib.AsyncExitStack() as stack:
        fake.create("default/a", {"holderIdentity": "one"})
        settings = KubeSettings(kubeconfig=fake.kubeconfig(tmp_path))
        client = await stack.enter_async_context(connected(settings))
        body = await client.leases.get("default", "a", timeout=10)
        assert body is not None
        await client.leases.get("default", "none", timeout=10)
        body["spec"]["holderIdentity"] = "two"
        await client.leases.replace("default", body, timeout=10)
        with pytest.raises(LeaseConflictError):
            await client.leases.replace("default", body, timeout=10)
        with pytest.raises(LeaseConflictError):
            await client.leases.create(
                "default", {"metadata": {"name": "a"}}, timeout=10
            )
        async with contextlib.aclosing(client.leases.watch("default", "a")) as events:
            assert [(await anext(events)).kind for _ in range(2)] == [
                "current",
                "connected",
            ]
        other = await stack.enter_async_context(client.apart())
        fake.reset("get")
        with pytest.raises(LeaseUnavailableError):
            await other.leases.get("default", "a", timeout=10)
        fake.hang("get")
        with pytest.raises(LeaseUnavailableError):
            await other.leases.get("default", "a", timeout=0.05)
        fake.release()
        assert dict(client.sent) == {
            ("get", "200"): 1,
            ("get", "404"): 1,
            ("update", "200"): 1,
            ("update", "409"): 1,
            ("create", "409"): 1,
            ("list", "200"): 1,
            ("watch", "200"): 1,
            ("get", "none"): 2,
        }
