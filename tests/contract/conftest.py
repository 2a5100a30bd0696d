"""
Every store of ours, behind one fixture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract import stores
from tests.helpers.cluster import ApiServer
from tests.helpers.fake_kube import FakeKube


@pytest.fixture(
    params=[
        "memory",
        "shared",
        "sqlite",
        "fake-kube",
        pytest.param("kube", marks=pytest.mark.kube),
    ]
)
async def backend(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[stores.Backend]:
    """
    A lease that does not exist yet.
    """
    if request.param == "memory":
        made = stores.memory()
        yield made
        await made.close()
    elif request.param == "shared":
        made = stores.shared()
        yield made
        await made.close()
    elif request.param == "sqlite":
        made = stores.sqlite(tmp_path / "lease.db")
        yield made
        await made.close()
    elif request.param == "fake-kube":
        async with (
            FakeKube() as fake,
            stores.kubernetes(
                fake.kubeconfig(tmp_path),
                namespace="default",
                delete=lambda name: fake.delete(f"default/{name}"),
            ) as made,
        ):
            yield made
            await made.close()
    else:
        server: ApiServer = request.getfixturevalue("api_server")
        namespace: str = request.getfixturevalue("namespace")

        def delete(name: str) -> None:
            server.request("DELETE", server.lease_path(namespace, name))

        async with stores.kubernetes(
            str(server.admin_kubeconfig), namespace=namespace, delete=delete
        ) as made:
            yield made
            await made.close()
