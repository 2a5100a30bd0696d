"""
The memory store: elects inside one process only.

The library's default outside a cluster (design S14), and what users' own tests run
on. It keeps every promise of the contract *within this process*; two processes with a
memory lease are two leaders, and a warning says so once per process.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import cache

from k8s_leader.clock import Clock
from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import LeaseConflictError, LeaseNotFoundError
from k8s_leader.leases.port import Acquisition, Refused, Sighting
from k8s_leader.leases.recorded import RecordedLeaseManager

__all__ = [
    "InMemoryLeaseManager",
    "MemoryLease",
    "MemoryLeaseWarning",
    "MemoryStore",
    "process_lease",
    "warn_once",
]


class MemoryLeaseWarning(UserWarning):
    """
    The lease lives in this process: other processes are not kept from leading.
    """


@dataclass(slots=True)
class _Row:
    stored: Stored | None = None
    version: int = 0
    watchers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(
        default_factory=set
    )


class MemoryLease:
    """
    One lease in this process, shared by any number of candidates and threads.

    Not guaranteed: anything about other processes.
    """

    def __init__(self) -> None:
        self._row = _Row()
        self._lock = threading.Lock()
        self._assigned: str | None = None

    @property
    def assigned(self) -> str | None:
        """
        Return the identity that alone may lead; ``None`` when all may.
        """
        return self._assigned

    @property
    def holder(self) -> str:
        """
        Return the identity that holds the lease; ``""`` for nobody.
        """
        stored = self.read()
        return "" if stored is None else stored.record.holder

    def assign_leader(self, identity: str | None) -> None:
        """
        Let only ``identity`` lead from now on; ``None`` lifts that.

        The present leader steps down voluntarily: its workload is stopped first,
        then the lease is released and the assigned candidate takes it.
        """
        with self._lock:
            self._assigned = identity
            stored = self._row.stored
            # Made where there is none: only what changes a record wakes who waits.
            record = Record() if stored is None else stored.record
            uid = str(uuid.uuid4()) if stored is None else stored.uid
            self._put(replace(record, preferred_holder=identity), uid=uid)

    def read(self) -> Stored | None:
        """
        Return the present state; ``None`` when there is none.
        """
        with self._lock:
            return self._row.stored

    def write(self, over: Stored | None, record: Record) -> Stored:
        """
        Create (``over`` is ``None``) or replace the record by compare-and-swap.
        """
        with self._lock:
            present = self._row.stored
            if over is None and present is not None:
                raise LeaseConflictError("the lease exists already")
            if over is not None and present is None:
                raise LeaseNotFoundError("the lease is gone")
            if over is not None and present is not None and over != present:
                raise LeaseConflictError("the lease was written by somebody else")
            uid = str(uuid.uuid4()) if present is None else present.uid
            preferring = replace(record, preferred_holder=self._assigned)
            return self._put(preferring, uid=uid)

    def delete(self) -> None:
        """
        Remove the record, as somebody might by hand.
        """
        with self._lock:
            self._row.stored = None
            self._row.version += 1
            self._tell()

    def _put(self, record: Record, *, uid: str) -> Stored:
        self._row.version += 1
        stored = Stored(record=record, uid=uid, version=self._row.version)
        self._row.stored = stored
        self._tell()
        return stored

    def _tell(self) -> None:
        for loop, event in tuple(self._row.watchers):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def watch(self) -> AsyncIterator[Sighting]:
        """
        Yield the present state, then every newer one (the newest only).
        """
        event = asyncio.Event()
        watcher = (asyncio.get_running_loop(), event)
        with self._lock:
            self._row.watchers.add(watcher)
        try:
            while True:
                event.clear()
                with self._lock:
                    stored, version = self._row.stored, self._row.version
                yield Sighting(stored=stored, version=version)
                await event.wait()
        finally:
            with self._lock:
                self._row.watchers.discard(watcher)


class MemoryStore:
    """
    The record store over a :class:`MemoryLease`.
    """

    def __init__(self, lease: MemoryLease) -> None:
        self._lease = lease

    async def read(self) -> Stored | None:
        """
        Return the present state.
        """
        return self._lease.read()

    async def create(self, record: Record) -> Stored:
        """
        Make the record, or raise ``LeaseConflictError``.
        """
        return self._lease.write(None, record)

    async def replace(self, over: Stored, record: Record) -> Stored:
        """
        Replace exactly ``over``.
        """
        return self._lease.write(over, record)

    def watch(self) -> AsyncIterator[Sighting]:
        """
        Yield every change.
        """
        return self._lease.watch()

    async def close(self) -> None:
        """
        Do nothing: the lease lives as long as somebody refers to it.
        """


class InMemoryLeaseManager(RecordedLeaseManager):
    """
    A candidate on a memory lease; the lease can be assigned to one identity.

    Args:
        lease: the shared lease; candidates on the same one exclude each other.
        identity: the candidate.
        clock: boot-time and wall clock.
        lease_duration: seconds.
    """

    def __init__(
        self,
        lease: MemoryLease,
        *,
        identity: str,
        clock: Clock,
        lease_duration: float,
    ) -> None:
        super().__init__(
            MemoryStore(lease),
            identity=identity,
            clock=clock,
            lease_duration=lease_duration,
        )
        self.lease = lease

    async def acquire(self, *, duration: float) -> Acquisition:
        """
        Take the lease unless another identity is assigned.
        """
        assigned = self.lease.assigned
        if assigned is not None and assigned != self.identity:
            return Refused(why=f"{assigned} is assigned", holder=self.holder)
        return await super().acquire(duration=duration)


@cache
def process_lease(name: str) -> MemoryLease:  # noqa: ARG001  # the cache's key
    """
    Return the lease of that name in this process.

    The cache is on purpose the one thing shared by a whole process: it is the scope
    inside which a memory lease elects.
    """
    return MemoryLease()


@cache
def warn_once() -> None:
    """
    Warn, once per process, that a memory lease elects inside this process only.
    """
    warnings.warn(
        "no lease store is configured: electing in memory, inside this process only. "
        "Other processes and pods will lead as well. Name a lease of Kubernetes or "
        "sqlite:PATH for more.",
        MemoryLeaseWarning,
        stacklevel=3,
    )
