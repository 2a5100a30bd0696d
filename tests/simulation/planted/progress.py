"""
Grants that are read late, and liveness.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from k8s_leader.election import events as ev
from k8s_leader.election import machine
from k8s_leader.election.machine import Election
from k8s_leader.election.observation import Observation
from k8s_leader.guard.term import Times
from k8s_leader.guard.workload import Workload
from k8s_leader.leases.port import Sighted
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.runner.loop import ElectionLoop
from tests.simulation.planted.table import handlers, planted


@planted("S1", by="S1", themes="suspend, partition, soup")
def _stale_extend() -> Iterator[None]:
    """
    A guard that stood still counts a grant from when it reads of it.
    """

    def hear_extend(self: Workload, message: dict[str, Any], now: float) -> None:
        term = self.term
        if term is not None and message["token"] == term.token:
            ago = now - message["sent"]
            term.times = Times(
                sent=now, stop_at=message["stop_at"] + ago, until=message["until"] + ago
            )
            self._tell("ack", token=term.token, until=message["until"], now=now)

    with patch.object(Workload, "hear_extend", hear_extend):
        yield


@planted("liveness", by="busy loop", themes="soup, partition")
def _no_backoff() -> Iterator[None]:
    """
    What failed is tried again at once.
    """
    real = ElectionLoop._retry_at

    def retry_at(self: ElectionLoop, exc: Any, pause: float | None = None) -> float:
        real(self, exc, pause)
        return self._clock.now()

    with patch.object(ElectionLoop, "_retry_at", retry_at):
        yield


@planted("liveness", by="busy loop", themes="errors")
def _own_echo() -> Iterator[None]:
    """
    The watch's echo of a claim whose answer was an error wakes its own writer.
    """
    real = RecordedLeaseManager._changed

    def changed(self: RecordedLeaseManager, before: Observation) -> Any:
        change = real(self, before)
        if isinstance(change, Sighted) and self._claim_in(self._seen.stored):
            return Sighted(holder=change.holder, try_now=True)
        return change

    with patch.object(RecordedLeaseManager, "_changed", changed):
        yield


@planted("liveness", by="liveness", themes="soup, partition, blank")
def _no_alarm() -> Iterator[None]:
    """
    A standby waits for its watch alone and sleeps through the expiry.
    """

    def not_won(self: Election, event: ev.NotWon, now: float) -> Any:
        return self._back_to_standby(now if self._woken else machine._NEVER, now)

    with handlers(ev.NotWon, not_won):
        yield
