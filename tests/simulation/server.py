"""
The API server of the simulation: one record, linearizable, with its history.

Writes are compare-and-swap by resourceVersion; a counter that other objects move too
gives the versions; watches are served from the history, each at its own pace.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import LeaseConflictError, LeaseNotFoundError
from tests.simulation.quick import replace
from tests.simulation.world import Scheduler

__all__ = ["Commit", "Server", "Stream"]

_FIRST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """
    One change of the record: the state after it, ``None`` for a deletion.
    """

    at: float
    version: int
    stored: Stored | None
    by: str


class Stream:
    """
    One open watch at the server's end.
    """

    __slots__ = ("breaks", "closed", "send")

    def __init__(
        self, send: Callable[[Commit], None], breaks: Callable[[], None]
    ) -> None:
        self.send = send
        self.breaks = breaks
        self.closed = False


class Server:
    """
    The store itself: what it says is the truth.
    """

    def __init__(self, scheduler: Scheduler, chance: random.Random) -> None:
        self.stored: Stored | None = None
        self.version = _FIRST
        self.commits: list[Commit] = []
        self.rolled_back_at = float("-inf")
        self.down = False
        self.fails = 0.0  # chance of an error answer although the write landed
        self.on_commit: Callable[[Commit], None] = lambda _: None
        self._scheduler = scheduler
        self._chance = chance
        self._streams: list[Stream] = []
        self._uids = 0

    # -- what clients ask --------------------------------------------------------

    def read(self) -> Stored | None:
        return self.stored

    def create(self, record: Record, by: str) -> Stored:
        if self.stored is not None:
            raise LeaseConflictError("already exists")
        self._uids += 1
        return self._put(record, uid=f"uid-{self._uids}", by=by)

    def replace(self, over: Stored, record: Record, by: str) -> Stored:
        present = self.stored
        if present is None:
            raise LeaseNotFoundError("gone")
        if present.uid != over.uid or present.version != over.version:
            raise LeaseConflictError("modified")
        if record == present.record:
            return present  # as the API server: no change, no new version
        return self._put(record, uid=present.uid, by=by)

    def watch(self, since: int, stream: Stream) -> None:
        """
        Send what happened after ``since``, then all that will.
        """
        self._streams.append(stream)
        if since <= self.version:
            for commit in self.commits:
                if commit.version > since:
                    stream.send(commit)

    def forget(self, stream: Stream) -> None:
        stream.closed = True
        if stream in self._streams:
            self._streams.remove(stream)

    # -- what others do to it ----------------------------------------------------

    def edit(self, change: Callable[[Record], Record], by: str) -> None:
        """
        Write as a foreigner does who takes what is there.
        """
        if self.stored is not None:
            self._put(change(self.stored.record), uid=self.stored.uid, by=by)

    def touch(self, by: str) -> None:
        """
        Change nothing but the version, as an edit of a label does.
        """
        if self.stored is not None:
            self._put(self.stored.record, uid=self.stored.uid, by=by)

    def delete(self, by: str) -> None:
        if self.stored is not None:
            self._commit(None, by)

    def break_streams(self) -> None:
        for stream in tuple(self._streams):
            self.forget(stream)
            stream.breaks()

    def roll_back(self, seconds: float) -> None:
        """
        Forget what was written lately, as a restored backup does.

        With 0 seconds the backup is of the last moment at which nobody held the lease.
        """
        limit = self._scheduler.now - seconds
        kept = [commit for commit in self.commits if commit.at <= limit]
        if seconds == 0.0:
            while kept and (kept[-1].stored is None or kept[-1].stored.record.holder):
                kept.pop()
        if len(kept) == len(self.commits):
            return
        self.rolled_back_at = self._scheduler.now
        self.commits = kept
        self.stored = kept[-1].stored if kept else None
        self.version = kept[-1].version if kept else _FIRST
        self.break_streams()

    def _put(self, record: Record, *, uid: str, by: str) -> Stored:
        duration = record.duration
        if duration is not None:  # whole seconds, as the API has them
            record = replace(record, duration=float(max(1, math.ceil(duration))))
        stored = Stored(record=record, uid=uid, version=self._next())
        self._commit(stored, by)
        return stored

    def _next(self) -> int:
        self.version += self._chance.choice((1, 1, 2, 7))
        return self.version

    def _commit(self, stored: Stored | None, by: str) -> None:
        version = self._next() if stored is None else self.version
        self.stored = stored
        commit = Commit(at=self._scheduler.now, version=version, stored=stored, by=by)
        self.commits.append(commit)
        self.on_commit(commit)
        for stream in tuple(self._streams):
            stream.send(commit)
