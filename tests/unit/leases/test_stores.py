"""
The stores in memory and on Kubernetes, where somebody uses them oddly.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import (
    LeaseConflictError,
    LeaseMalformedError,
    LeaseNotFoundError,
)
from k8s_leader.leases.kubernetes import ANNOTATIONS, Annotate, KubernetesStore
from k8s_leader.leases.memory import MemoryLease
from k8s_leader.leases.port import Sighting
from tests.helpers.fake_store import Store


def test_a_memory_lease_is_written_by_compare_and_swap_only() -> None:
    lease = MemoryLease()
    first = lease.write(None, Record(holder="a"))
    with pytest.raises(LeaseConflictError):
        lease.write(None, Record(holder="b"))
    lease.write(first, Record(holder="a", transitions=1))
    with pytest.raises(LeaseConflictError):
        lease.write(first, Record(holder="b"))
    lease.delete()
    with pytest.raises(LeaseNotFoundError):
        lease.write(first, Record(holder="b"))


def test_a_watcher_whose_loop_was_closed_under_it_hinders_nobody() -> None:
    lease = MemoryLease()
    watch = lease.watch()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(anext(watch))
    loop.close()
    assert lease.write(None, Record(holder="a")).record.holder == "a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    kind: str
    lease: dict[str, Any] | None = None


class Api:
    """
    The API client's part, over the fake's memory.
    """

    def __init__(self) -> None:
        self.store = Store()
        self.events: list[Event] = []

    async def get(
        self, namespace: str, name: str, *, timeout: float
    ) -> dict[str, Any] | None:
        return self.store.get(namespace, name)

    async def create(
        self, namespace: str, body: dict[str, Any], *, timeout: float
    ) -> dict[str, Any]:
        return self.store.create(namespace, body)

    async def replace(
        self, namespace: str, body: dict[str, Any], *, timeout: float
    ) -> dict[str, Any]:
        return self.store.replace(namespace, body["metadata"]["name"], body)

    async def watch(self, namespace: str, name: str) -> AsyncIterator[Event]:
        for event in self.events:
            yield event


@pytest.fixture
def api() -> Api:
    return Api()


def on_kubernetes(api: Api, annotate: Annotate | None = None) -> KubernetesStore:
    return KubernetesStore(
        api, namespace="default", name="job", timeout=1.0, annotate=annotate
    )


async def test_a_state_from_elsewhere_cannot_be_replaced(api: Api) -> None:
    foreign = Stored(record=Record(), uid="u", version=1)
    with pytest.raises(LeaseMalformedError, match="did not come from here"):
        await on_kubernetes(api).replace(foreign, Record(holder="a"))


async def test_notes_that_fail_cost_nobody_the_lease(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    def annotate(*_: object) -> Mapping[str, str | None]:
        raise ValueError("no note")

    with caplog.at_level(logging.ERROR):
        stored = await on_kubernetes(api, annotate).create(Record(holder="a"))
    assert stored.record.holder == "a"
    assert "the election goes on" in caplog.text


async def test_notes_add_and_remove_but_never_forge_the_record(api: Api) -> None:
    token = ANNOTATIONS["token"]
    notes: dict[str, str | None] = {"note": "1", token: "999"}
    store = on_kubernetes(api, lambda *_: notes)
    stored = await store.create(Record(holder="a", token=7))
    assert stored.record.token == 7
    assert api.store.get("default", "job")["metadata"]["annotations"]["note"] == "1"
    notes["note"] = None
    await store.replace(stored, Record(holder="a", token=8))
    annotations = api.store.get("default", "job")["metadata"]["annotations"]
    assert "note" not in annotations
    assert annotations[token] == "8"


async def test_events_of_the_watch_become_sightings(api: Api) -> None:
    store = on_kubernetes(api)
    stored = await store.create(Record(holder="a"))
    body = api.store.get("default", "job")
    api.events = [
        Event(kind="connected"),
        Event(kind="current"),
        Event(kind="changed", lease=body),
        Event(kind="deleted", lease=body),
        Event(kind="disconnected"),
    ]
    version = stored.version
    assert [sighting async for sighting in store.watch()] == [
        Sighting(),
        Sighting(stored=stored, version=version),
        Sighting(version=version),
        Sighting(blind=True),
    ]
