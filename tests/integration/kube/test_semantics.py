"""
What the elector relies on, asked of the fake and of the real API server alike.

A test that passes on one and fails on the other shows that the fake lies.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from k8s_leader.errors import (
    LeaseConflictError,
    LeaseError,
    LeaseMalformedError,
    LeaseNotFoundError,
)
from k8s_leader.kube import KubeClient, KubeSettings, Right, leases_path
from tests.helpers.fake_kube import FakeKube
from tests.helpers.kube_tools import connected

T = 20.0
SPEC = {
    "holderIdentity": "one",
    "leaseDurationSeconds": 15,
    "acquireTime": "2026-01-02T03:04:05.000006Z",
    "renewTime": "2026-01-02T03:04:05.000006Z",
    "leaseTransitions": 0,
}


@dataclass
class Place:
    client: KubeClient
    namespace: str

    async def create(self, name: str = "a", **spec: Any) -> dict[str, Any]:
        body = {"metadata": {"name": name}, "spec": SPEC | spec}
        return await self.client.leases.create(self.namespace, body, timeout=T)

    async def replace(self, lease: dict[str, Any]) -> dict[str, Any]:
        return await self.client.leases.replace(self.namespace, lease, timeout=T)

    async def get(self, name: str = "a") -> dict[str, Any] | None:
        return await self.client.leases.get(self.namespace, name, timeout=T)

    async def delete(self, name: str = "a") -> None:
        await self.raw("DELETE", name)

    async def raw(self, method: str, name: str, body: Any = None) -> dict[str, Any]:
        right = Right(verb=method, namespace=self.namespace, name=name)
        path = leases_path(self.namespace, name)
        return await self.client.request(
            method, path, right=right, timeout=T, body=body
        )


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.kube)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "fake":
            fake = await stack.enter_async_context(FakeKube())
            fake.missing_namespaces.add("no-such-namespace")
            config, namespace = fake.kubeconfig(tmp_path), "default"
        else:
            config = str(request.getfixturevalue("api_server").admin_kubeconfig)
            namespace = request.getfixturevalue("namespace")
        settings = KubeSettings(kubeconfig=config)
        client = await stack.enter_async_context(connected(settings))
        yield Place(client, namespace)


async def test_a_lease_that_is_not_there_is_none(place: Place) -> None:
    assert await place.get() is None


async def test_a_created_lease_has_what_the_server_adds(place: Place) -> None:
    lease = await place.create()
    metadata = lease["metadata"]
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["uid"]
    assert metadata["namespace"] == place.namespace
    assert lease["spec"] == SPEC
    assert await place.get() == lease


async def test_creating_twice_is_a_conflict(place: Place) -> None:
    await place.create()
    with pytest.raises(LeaseConflictError, match="already exists"):
        await place.create()


async def test_creating_in_a_missing_namespace_is_not_found(place: Place) -> None:
    place.namespace = "no-such-namespace"
    with pytest.raises(LeaseNotFoundError, match="no-such-namespace"):
        await place.create()


async def test_versions_grow_with_every_write_also_of_other_leases(
    place: Place,
) -> None:
    one = await place.create("a")
    two = await place.create("b")
    one["spec"]["leaseTransitions"] = 1
    three = await place.replace(one)
    versions = [int(x["metadata"]["resourceVersion"]) for x in (one, two, three)]
    assert versions == sorted(set(versions))


async def test_only_the_first_of_two_writers_of_one_version_succeeds(
    place: Place,
) -> None:
    lease = await place.create()
    await place.replace(lease | {"spec": SPEC | {"holderIdentity": "two"}})
    with pytest.raises(LeaseConflictError, match="has been modified"):
        await place.replace(lease | {"spec": SPEC | {"holderIdentity": "three"}})
    found = await place.get()
    assert found is not None
    assert found["spec"]["holderIdentity"] == "two"


async def test_writing_nothing_new_leaves_the_version(place: Place) -> None:
    lease = await place.create()
    again = await place.replace(lease)
    assert again["metadata"]["resourceVersion"] == lease["metadata"]["resourceVersion"]


async def test_labels_and_annotations_survive_a_write(place: Place) -> None:
    lease = await place.create()
    lease["metadata"]["labels"] = {"team": "blue"}
    lease["metadata"]["annotations"] = {"example.com/note": "x"}
    await place.replace(lease)
    found = await place.get()
    assert found is not None
    assert found["metadata"]["labels"] == {"team": "blue"}
    assert found["metadata"]["annotations"] == {"example.com/note": "x"}


async def test_an_empty_holder_stays_and_a_null_one_vanishes(place: Place) -> None:
    lease = await place.create(holderIdentity="")
    assert lease["spec"]["holderIdentity"] == ""
    lease["spec"]["holderIdentity"] = None
    assert "holderIdentity" not in (await place.replace(lease))["spec"]


async def test_replacing_a_lease_that_was_deleted_fails_and_creates_nothing(
    place: Place,
) -> None:
    lease = await place.create()
    await place.delete()
    with pytest.raises(LeaseConflictError, match="UID"):
        await place.replace(lease)
    assert await place.get() is None


async def test_the_server_makes_a_deleted_lease_again_when_no_uid_is_sent(
    place: Place,
) -> None:
    lease = await place.create()
    await place.delete()
    del lease["metadata"]["uid"]
    with pytest.raises(LeaseMalformedError, match="uid"):
        await place.replace(lease)  # which is why this is refused
    assert (await place.raw("PUT", "a", lease))["metadata"]["uid"]


async def test_replacing_the_predecessor_of_a_lease_made_again_is_a_conflict(
    place: Place,
) -> None:
    old = await place.create()
    await place.delete()
    new = await place.create()
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    with pytest.raises(LeaseConflictError):
        await place.replace(old)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("leaseDurationSeconds", 0),
        ("leaseDurationSeconds", -1),
        ("leaseDurationSeconds", 2**31),
        ("leaseDurationSeconds", 4.5),
        ("leaseDurationSeconds", "15"),
        ("leaseTransitions", -1),
        ("holderIdentity", 7),
        ("renewTime", "2026-01-02T03:04:05Z"),
        ("renewTime", "2026-01-02T03:04:05.123Z"),
        ("renewTime", "2026-01-02 03:04:05.000006Z"),
        ("acquireTime", "yesterday"),
    ],
)
async def test_what_is_no_lease_is_refused(
    place: Place, field: str, value: Any
) -> None:
    with pytest.raises(LeaseMalformedError):
        await place.create(**{field: value})


async def test_times_with_an_offset_come_back_in_utc(place: Place) -> None:
    lease = await place.create(renewTime="2026-01-02T05:04:05.000006+02:00")
    assert lease["spec"]["renewTime"] == "2026-01-02T03:04:05.000006Z"


async def test_a_put_without_version_is_refused_by_the_server_too(
    place: Place,
) -> None:
    lease = await place.create()
    del lease["metadata"]["resourceVersion"]
    lease["spec"]["holderIdentity"] = "thief"
    with pytest.raises(LeaseMalformedError, match="resourceVersion"):
        await place.raw("PUT", "a", lease)


async def test_a_name_that_is_none_is_refused(place: Place) -> None:
    with pytest.raises(LeaseMalformedError):
        await place.create("Not_A_Name")


async def test_a_watch_shows_what_happens_to_one_lease_only(place: Place) -> None:
    await place.create("other")
    events = place.client.leases.watch(place.namespace, "a")
    async with contextlib.aclosing(events):
        first, second = await anext(events), await anext(events)
        assert (first.kind, first.lease) == ("current", None)
        assert second.kind == "connected"
        lease = await place.create()
        await place.create("another")
        lease["spec"]["holderIdentity"] = "two"
        newer = await place.replace(lease)
        await place.delete()
        seen = [await anext(events) for _ in range(3)]
    assert [event.kind for event in seen] == ["changed", "changed", "deleted"]
    assert seen[1].lease == newer
    gone = seen[2].lease
    assert gone is not None
    assert int(gone["metadata"]["resourceVersion"]) > int(
        newer["metadata"]["resourceVersion"]
    )


async def test_the_current_lease_of_a_watch_is_what_get_returns(place: Place) -> None:
    await place.create()
    events = place.client.leases.watch(place.namespace, "a")
    async with contextlib.aclosing(events):
        assert (await anext(events)).lease == await place.get()


async def test_a_write_can_be_based_on_the_object_of_a_watch_event(
    place: Place,
) -> None:
    events = place.client.leases.watch(place.namespace, "a")
    async with contextlib.aclosing(events):
        await anext(events), await anext(events)
        await place.create()
        event = await anext(events)
    assert event.lease is not None
    event.lease["spec"]["holderIdentity"] = "two"
    assert (await place.replace(event.lease))["spec"]["holderIdentity"] == "two"


async def test_warming_needs_no_lease(place: Place) -> None:
    assert await place.client.leases.warm(timeout=T)


async def test_an_unknown_resource_is_no_missing_lease(place: Place) -> None:
    path = "/apis/coordination.k8s.io/v9/namespaces/default/leases/a"
    with pytest.raises(LeaseError) as caught:
        await place.client.request(
            "GET", path, right=Right(verb="get", name="a"), timeout=T
        )
    assert not isinstance(caught.value, LeaseNotFoundError)
