"""
The guard alone, identities, free records: S9, S11, S12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from k8s_leader.election.observation import (
    Observation,
    Take,
)
from k8s_leader.election.record import Record, Stored, TermId
from k8s_leader.guard.workload import Workload
from k8s_leader.runner.burial import GuardWatch
from tests.simulation.planted.table import planted


@planted("S9", by="past grant, overlap", themes="partition, soup")
def _helpless_guard() -> Iterator[None]:
    """
    The guard stops the workload only when its elector says so.
    """

    def enforce(self: Workload, now: float) -> None:
        if self.term is not None and now >= self.term.kill_at:
            self._kill(self.term, now)

    with (
        patch.object(Workload, "enforce", enforce),
        patch.object(GuardWatch, "acknowledged", lambda *_: None),
    ):
        yield


@planted("S11", by="overlap", themes="soup, partition")
def _prefix() -> Iterator[None]:
    """
    Identities are compared by their beginning.
    """
    real = Observation.decide

    def decide(
        self: Observation,
        *,
        identity: str,
        mine: TermId | None,
        now: float,
        patience: float = 0.0,
    ) -> Any:
        stored = self.stored
        if stored is not None and stored.record.holder.startswith(identity):
            return Take(over=stored, why="it begins like ours")
        return real(self, identity=identity, mine=mine, now=now, patience=patience)

    with patch.object(Observation, "decide", decide):
        yield


@planted("S12", by="overlap", themes="blank, delete")
def _unmarked() -> Iterator[None]:
    """
    A record that was blanked without a marker is taken at once.
    """

    def guard(self: Observation, *_: object, **__: object) -> Observation:
        return self

    with patch.object(Observation, "_guard", guard):
        yield


@planted("S12", by="overlap", themes="blank")
def _unread_annotations() -> Iterator[None]:
    """
    A newcomer takes a blanked record without a look at its annotations.
    """

    def guard_unseen(self: Observation, *_: object, **__: object) -> Observation:
        return self

    with patch.object(Observation, "_guard_unseen", guard_unseen):
        yield


@planted("S12", by="overlap", themes="displaced")
def _forgotten() -> Iterator[None]:
    """
    A leader is forgotten as soon as a foreigner took its record before its time.
    """
    real = Observation._guard

    def guard(
        self: Observation, before: Observation, stored: Stored | None, *, at: float
    ) -> Observation:
        if stored is not None and not stored.record.is_free:
            return replace(self, guarded="", guarded_until=0.0)
        return real(self, before, stored, at=at)

    with patch.object(Observation, "_guard", guard):
        yield


@planted("S12", by="overlap", themes="no duration")
def _no_duration() -> Iterator[None]:
    """
    A holder whose duration is missing has expired, as in client-go.
    """
    real = Observation._longest

    def longest(self: Observation, stored: Stored | None) -> float:
        if stored is not None and stored.record.duration is None:
            return 0.0
        return real(self, stored)

    with patch.object(Observation, "_longest", longest):
        yield


@planted("S12", by="overlap", themes="no duration")
def _own_duration_only() -> Iterator[None]:
    """
    A newcomer with a shorter lease waits for its own, where the duration is missing.
    """

    def protection(self: Observation, record: Record) -> float:
        return record.duration or self.own_duration

    with patch.object(Observation, "_protection", protection):
        yield
