"""
The Kubernetes store: one ``coordination.k8s.io/v1`` Lease.

Payloads stay plain dicts, and a write edits the object that was read: fields, labels
and annotations of others survive (interop rule 11). What our candidates add to the
five spec fields is in annotations under ``k8s-leader.io/``. Reading is lenient (any
field may be null or of an odd type), writing is exact (interop rules 2 and 3).
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from k8s_leader.election.orders import PAUSED, STEP_DOWN, SWITCHOVER
from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import LeaseMalformedError
from k8s_leader.leases.port import Sighting, closing

__all__ = [
    "ANNOTATIONS",
    "Annotate",
    "KubernetesStore",
    "LeaseApi",
    "creation_command",
    "parse",
    "spell",
]

_logger = logging.getLogger(__name__)

PREFIX = "k8s-leader.io/"

ANNOTATIONS = {
    "our_holder": PREFIX + "holder",
    "our_duration": PREFIX + "lease-duration",
    "our_transitions": PREFIX + "transitions",
    "released_by": PREFIX + "released-by",
    "token": PREFIX + "fencing-token",
    "paused": PAUSED,
    "step_down": STEP_DOWN,
    "switchover": SWITCHOVER,
}
"""Record field → annotation; documented, and readable by others (S17)."""

Annotate = Callable[
    [Mapping[str, Any], Record | None, Record], Mapping[str, str | None]
]
"""
Returns what a write adds for people: called with the Lease's annotations, the record
that is replaced (``None``: created) and the one that is written. ``None`` removes.
"""

_INT32 = 2**31 - 1
_INT64 = 2**63 - 1


def creation_command(namespace: str, name: str) -> str:
    """
    Return the shell command that makes a missing Lease, ready to be pasted.

    Names and namespaces that Kubernetes accepts need no quoting.
    """
    body = (
        '{"apiVersion":"coordination.k8s.io/v1","kind":"Lease",'
        f'"metadata":{{"namespace":"{namespace}","name":"{name}"}}}}'
    )
    return f"echo '{body}' | kubectl create -f -"


class WatchEvent(Protocol):
    """
    What the API client's watch yields.
    """

    @property
    def kind(self) -> str:
        """
        Return current, changed, deleted, connected or disconnected.
        """

    @property
    def lease(self) -> dict[str, Any] | None:
        """
        Return the object, where there is one.
        """


class LeaseApi(Protocol):
    """
    The part of the API client that this store needs.
    """

    async def get(
        self, namespace: str, name: str, *, timeout: float
    ) -> dict[str, Any] | None:
        """
        Return the Lease; ``None`` if there is none.
        """

    async def create(
        self, namespace: str, body: dict[str, Any], *, timeout: float
    ) -> dict[str, Any]:
        """
        Create the Lease.
        """

    async def replace(
        self, namespace: str, body: dict[str, Any], *, timeout: float
    ) -> dict[str, Any]:
        """
        Put the Lease; its resourceVersion makes it a compare-and-swap.
        """

    def watch(self, namespace: str, name: str) -> AsyncIterator[WatchEvent]:
        """
        Yield what happens to the Lease; endless.
        """


class KubernetesStore:
    """
    The record store over one Lease object.

    Args:
        api: the API client; shared, and not closed by this store.
        namespace: where the Lease is.
        name: its name.
        timeout: bound of one request in seconds (S6); the caller may cancel sooner.
        annotate: adds notes for people to each write; when it fails there are none.
    """

    def __init__(
        self,
        api: LeaseApi,
        *,
        namespace: str,
        name: str,
        timeout: float,
        annotate: Annotate | None = None,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._timeout = timeout
        self._annotate = annotate

    async def read(self) -> Stored | None:
        """
        Return the Lease by a quorum read; ``None`` if there is none.
        """
        body = await self._api.get(self._namespace, self._name, timeout=self._timeout)
        return None if body is None else parse(body)

    async def create(self, record: Record) -> Stored:
        """
        Create the Lease with this record.
        """
        metadata = {
            "name": self._name,
            "namespace": self._namespace,
            "labels": {PREFIX + "managed": "true"},
        }
        body = spell(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": metadata,
            },
            record,
        )
        self._note(body, None, record)
        return parse(
            await self._api.create(self._namespace, body, timeout=self._timeout)
        )

    async def replace(self, over: Stored, record: Record) -> Stored:
        """
        Put the record into the very object that was read.
        """
        if not isinstance(over.handle, dict):
            raise LeaseMalformedError("the state to replace did not come from here")
        body = spell(over.handle, record)
        self._note(body, over.record, record)
        return parse(
            await self._api.replace(self._namespace, body, timeout=self._timeout)
        )

    def _note(self, body: dict[str, Any], before: Record | None, after: Record) -> None:
        if self._annotate is None:
            return
        annotations: dict[str, Any] = body["metadata"]["annotations"]
        try:
            notes = self._annotate(annotations, before, after)
        except Exception:
            _logger.exception("no notes on the Lease; the election goes on")
            return
        for name, value in notes.items():
            if value is None:
                annotations.pop(name, None)
            elif name not in ANNOTATIONS.values():
                annotations[name] = value

    async def watch(self) -> AsyncIterator[Sighting]:
        """
        Yield the Lease as it is and as it changes.
        """
        async with closing(self._api.watch(self._namespace, self._name)) as events:
            async for event in events:
                sighting = _sighting(event)
                if sighting is not None:
                    yield sighting

    async def close(self) -> None:
        """
        Do nothing: the client belongs to somebody else.
        """


def _sighting(event: WatchEvent) -> Sighting | None:
    if event.kind == "disconnected":
        return Sighting(blind=True)
    if event.kind == "connected":
        return None  # "current" follows, with the state
    if event.lease is None:
        return Sighting()
    stored = parse(event.lease)
    if event.kind == "deleted":
        return Sighting(version=stored.version)
    return Sighting(stored=stored, version=stored.version)


def parse(body: Mapping[str, Any]) -> Stored:
    """
    Read a Lease object; odd, null and missing fields are read as absent.

    Raises:
        LeaseMalformedError: it has no metadata at all: this is no object.
    """
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping):
        raise LeaseMalformedError("the answer is not a Lease: it has no metadata")
    return Stored(
        record=_record(
            _mapping(body.get("spec")), _mapping(metadata.get("annotations"))
        ),
        uid=_text(metadata.get("uid")) or "",
        version=_int(metadata.get("resourceVersion"), limit=None),
        handle=body,
    )


def _record(spec: Mapping[str, Any], notes: Mapping[str, Any]) -> Record:
    def note(field: str) -> Any:  # the JSON edge
        return notes.get(ANNOTATIONS[field])

    return Record(
        holder=_text(spec.get("holderIdentity")) or "",
        duration=_seconds(spec.get("leaseDurationSeconds")),
        acquire_time=_text(spec.get("acquireTime")),
        renew_time=_text(spec.get("renewTime")),
        transitions=_int(spec.get("leaseTransitions"), limit=_INT32) or 0,
        strategy=_text(spec.get("strategy")) or None,
        preferred_holder=_text(spec.get("preferredHolder")) or None,
        our_holder=_text(note("our_holder")) or None,
        our_duration=_seconds(note("our_duration")),
        our_transitions=_int(note("our_transitions"), limit=_INT32),
        released_by=_text(note("released_by")) or None,
        token=_int(note("token"), limit=_INT64),
        paused=_text(note("paused")),
        step_down=_text(note("step_down")),
        switchover=_text(note("switchover")),
    )


def spell(lease: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """
    Return the Lease object with the record in it, everything else as it was.

    What changes is copied, the rest is shared: a hand-over waits for this.
    """
    body = dict(lease)
    spec = dict(_mapping(lease.get("spec")))
    spec["holderIdentity"] = record.holder
    spec["leaseDurationSeconds"] = _whole_seconds(record.duration)
    spec["acquireTime"] = record.acquire_time
    spec["renewTime"] = record.renew_time
    spec["leaseTransitions"] = record.transitions
    body["spec"] = spec
    metadata = body["metadata"] = dict(lease["metadata"])
    annotations = dict(_mapping(metadata.get("annotations")))
    for field, name in ANNOTATIONS.items():
        value = getattr(record, field)
        if value is None:
            annotations.pop(name, None)
        else:
            annotations[name] = _note(value)
    metadata["annotations"] = annotations
    return body


def _note(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _whole_seconds(duration: float | None) -> int:
    return min(_INT32, max(1, math.ceil(duration or 1.0)))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _seconds(value: object) -> float | None:
    """
    Read a positive number of seconds; anything else counts as missing.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= _INT32 else None


def _int(value: object, *, limit: int | None) -> int | None:
    """
    Read a whole number from 0 up to ``limit``; anything else counts as missing.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) < 20 else None  # noqa: PLR2004  # uint64
    if not isinstance(value, int) or value < 0:
        return None
    return None if limit is not None and value > limit else value
