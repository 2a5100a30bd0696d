"""
The notes on Leases while the API server does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from k8s_leader.kube import KubeSettings
from k8s_leader.observers.cluster.names import CANDIDATES
from k8s_leader.operator.columns import Columns
from k8s_leader.operator.view import ClusterView, annotations_of
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import connected

pytestmark = pytest.mark.slow


async def test_a_note_whose_write_failed_is_written_though_nothing_changes(
    tmp_path: Path,
) -> None:
    view = ClusterView()
    async with FakeKube() as fake:
        fake.create("default/a", {"holderIdentity": "one"})
        settings = KubeSettings(kubeconfig=fake.kubeconfig(tmp_path))
        async with connected(settings) as client:
            lease = await client.leases.get("default", "a", timeout=5.0)
            assert lease is not None
            view.leases["default", "a"] = lease
            columns = Columns(client.leases, view=view)
            fake.reset("update")
            await columns.lease_changed(lease)
            work = asyncio.create_task(columns.run())
            noted = lambda: CANDIDATES in annotations_of(fake.leases["default/a"])  # noqa: E731
            await fake.until(noted)
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
    assert fake.count("update") == 2
