"""
Keeps the notes on Leases true, so that ``kubectl get leases`` can show them as columns.

The holder notes where it runs; how many compete for the Lease only somebody sees who
knows all Pods, and what a dead or foreign holder left behind only somebody else can
take away. Never touches the five fields of the record, and never the release marker.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping
from typing import Any

from k8s_leader.errors import (
    LeaseConflictError,
    LeaseError,
    LeaseNotFoundError,
    LeaseUnavailableError,
)
from k8s_leader.leases.kubernetes import LeaseApi, parse
from k8s_leader.observers.cluster.complaint import Complaint
from k8s_leader.observers.cluster.names import CANDIDATES, NODE, POD
from k8s_leader.operator.duty import Duty
from k8s_leader.operator.view import Body, ClusterView, Key, annotations_of, key_of

__all__ = ["Columns", "notes_due"]

_TIMEOUT = 3.0
_SETTLE = 1.0
"""Seconds that changes are gathered: a rollout is one write, not ten."""


class Columns(Duty):
    """
    Compares the notes on each Lease with the view, a second after something changed.

    While the API server does not answer it tries again, a Lease a second.

    Args:
        leases: replaces Leases.
        view: Leases and Pods.
    """

    def __init__(self, leases: LeaseApi, *, view: ClusterView) -> None:
        self._leases = leases
        self._view = view
        self._changed = asyncio.Event()
        self._complaint = Complaint("keeping notes on Leases", switch="--no-columns")

    async def lease_changed(self, lease: Body) -> None:
        """
        Look at the Leases soon.
        """
        self._changed.set()

    async def pod_changed(self, pod: Key) -> None:
        """
        Look at the Leases soon.
        """
        self._changed.set()

    async def pod_deleted(self, pod: Body) -> None:
        """
        Look at the Leases soon.
        """
        self._changed.set()

    async def run(self) -> None:
        """
        Write what is due, until cancelled.
        """
        while True:
            await self._changed.wait()
            await asyncio.sleep(_SETTLE)
            self._changed.clear()
            try:
                await self._write_all()
            except LeaseUnavailableError as error:
                self._complaint.failed(error)
                self._changed.set()  # nobody else will say that it is due

    async def _write_all(self) -> None:
        counts = self._view.candidates()
        for key, lease in list(self._view.leases.items()):
            due = notes_due(lease, candidates=counts[key])
            if due:
                await self._write(lease, due)

    async def _write(self, lease: Body, due: Mapping[str, str | None]) -> None:
        """
        Write the notes on one Lease, unless somebody else wrote it meanwhile.

        Raises:
            LeaseUnavailableError: the API server did not answer in time.
        """
        body: dict[str, Any] = copy.deepcopy(dict(lease))
        notes = {**annotations_of(body), **due}
        kept = {name: text for name, text in notes.items() if text is not None}
        body["metadata"]["annotations"] = kept
        try:
            await self._leases.replace(key_of(lease)[0], body, timeout=_TIMEOUT)
        except (LeaseConflictError, LeaseNotFoundError):
            return  # somebody wrote in between: that change is on its way to us
        except LeaseUnavailableError:
            raise
        except LeaseError as error:
            self._complaint.failed(error)
        else:
            self._complaint.worked()


def notes_due(lease: Body, *, candidates: int) -> dict[str, str | None]:
    """
    Return the annotations that a Lease lacks; ``None`` removes one.

    Args:
        lease: as it was seen last.
        candidates: Pods that compete for it.
    """
    record = parse(lease).record
    due: dict[str, str | None] = {CANDIDATES: str(candidates)}
    if record.holder != record.our_holder:
        due |= {POD: None, NODE: None}
    notes = annotations_of(lease)
    return {name: text for name, text in due.items() if notes.get(name) != text}
