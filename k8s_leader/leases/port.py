"""
The two ports of this layer: what an election needs, and what a record store offers.

``LeaseManager`` is what the runner calls. ``RecordStore`` is the far smaller thing that
a store with a record (Kubernetes, SQLite, memory) has to offer; one implementation of
the observation rule (``recorded.py``) makes a manager of it. Users' own managers are
three methods returning bool (``custom.py``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from k8s_leader.election.observation import Lost, Unwanted
from k8s_leader.election.record import Record, Stored, TermId
from k8s_leader.values import dataclass

__all__ = [
    "Acquisition",
    "Change",
    "Held",
    "LeaseManager",
    "RecordStore",
    "Refused",
    "Renewal",
    "Shortened",
    "Sighted",
    "Sighting",
    "StillHeld",
    "closing",
]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """
    The lease is ours.

    Attributes:
        token: fencing token of the new term; ``None`` if the store cannot make one.
        term: what tells this term from others; ``None`` if there is no record.
    """

    token: int | None
    term: TermId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """
    The lease is not to be had now.

    Attributes:
        retry_at: boot-time seconds of the next sensible try; ``None``: wait to be
            woken, or for the usual interval.
        why: the reason, for people.
        holder: who holds it, if known.
        beaten: whether it was free, and somebody else's write came first.
    """

    retry_at: float | None = None
    why: str = "held"
    holder: str = ""
    beaten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StillHeld:
    """
    The renewal was confirmed.

    ``leave``: why somebody asks this term to end voluntarily; ``""``: nobody does.
    """

    leave: str = ""


Acquisition = Held | Refused
Renewal = StillHeld | Lost | Unwanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighted:
    """
    The watch showed something to a standby.

    Attributes:
        holder: who holds the lease now; ``""`` if nobody does.
        try_now: whether it may be taken, or waiting got another end.
    """

    holder: str
    try_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortened:
    """
    Somebody lowered the duration of our record (S8).
    """

    duration: float


Change = Sighted | Shortened | Lost | Unwanted


class LeaseManager(Protocol):
    """
    Acquires, renews and releases one lease for one identity.

    Every method may raise :class:`~k8s_leader.errors.LeaseError`; that means "not
    known", never "lost". The caller bounds each call in time and reads the clock
    before it (S1). No call overlaps another one of the same manager, but for
    ``changes``, which runs beside them.
    """

    @property
    def identity(self) -> str:
        """
        Return the candidate this manager acts for.
        """

    @property
    def paused(self) -> bool:
        """
        Tell whether people were seen to ask that everybody stays where it is.
        """

    @property
    def record(self) -> Record | None:
        """
        Return the record as it was last seen; ``None``: there is none.
        """

    async def acquire(self, *, duration: float) -> Acquisition:
        """
        Take the lease for ``duration`` seconds if that is allowed now.

        Guarantees: ``Held`` means that no other caller gets it for ``duration``
        seconds after this call was made (S19).
        """

    async def renew(self, *, duration: float) -> Renewal:
        """
        Prolong the lease for ``duration`` seconds from the call.
        """

    async def release(self) -> None:
        """
        Give the lease up if the record is still our term's; else do nothing.
        """

    async def adopt(self, term: TermId, *, token: int | None) -> bool:
        """
        Go on with a term that already runs, if the record agrees in all (S16).
        """

    def changes(self) -> AsyncIterator[Change]:
        """
        Yield what the store tells by itself; endless, and only ever a hint.
        """

    async def close(self) -> None:
        """
        Let go of connections, files and tasks; the lease is left as it is.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """
    What the watch of a store delivers.

    Attributes:
        stored: the state seen; ``None`` when the lease does not exist.
        version: the store's version of this very event; ``None`` if unknown.
        blind: the watch is broken: from here on nothing is seen, so poll.
        superseded: newer ones are there already and follow at once.
        checked: a read just confirmed that this is the newest state.
    """

    stored: Stored | None = None
    version: int | None = None
    blind: bool = False
    superseded: bool = False
    checked: bool = False


class RecordStore(Protocol):
    r"""
    Keeps one record; all a store has to offer for the rest to be shared.

    Errors: :class:`LeaseConflictError`, :class:`LeaseNotFoundError`, and the other
    ``LeaseError``\\ s when the store could not be asked.
    """

    async def read(self) -> Stored | None:
        """
        Return the newest state; linearizable, never from a cache (S7).
        """

    async def create(self, record: Record) -> Stored:
        """
        Make the lease; raise ``LeaseConflictError`` if there is one.
        """

    async def replace(self, over: Stored, record: Record) -> Stored:
        """
        Write ``record`` if the state is still ``over``: compare-and-swap.
        """

    def watch(self) -> AsyncIterator[Sighting]:
        """
        Yield the current state first, then every change; endless.
        """

    async def close(self) -> None:
        """
        Let go of everything; the record stays.
        """


@asynccontextmanager
async def closing(events: AsyncIterator[_T]) -> AsyncIterator[AsyncIterator[_T]]:
    """
    Lend an iterator and close it at the end, where that is possible.

    A generator that is left to the garbage collector would hold its connection after
    the client was closed.
    """
    try:
        yield events
    finally:
        aclose = getattr(events, "aclose", None)
        if aclose is not None:
            await aclose()
