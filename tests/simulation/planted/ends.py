"""
The end of a term: S3, S4, S5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from k8s_leader.election import events as ev
from k8s_leader.election.events import State
from k8s_leader.election.machine import Election
from k8s_leader.election.observation import (
    Kept,
    LossReason,
)
from k8s_leader.election.record import release as free
from k8s_leader.leases import recorded
from k8s_leader.leases.recorded import RecordedLeaseManager
from tests.simulation.planted.table import planted
from tests.simulation.workload import SimTree


@planted("S3", by="S3", themes="steal, blank, delete, bad peers")
def _ignored_holder() -> Iterator[None]:
    """
    Another holder in the record is ignored until the deadline, as client-go does.
    """
    with patch.object(recorded, "judge_own", lambda _, stored: Kept(duration=None)):
        yield


@planted("S3", by="S3", themes="steal, blank, delete, bad peers")
def _grace() -> Iterator[None]:
    """
    A workload whose record is another's gets the time of a voluntary stop.
    """
    real = Election._lose

    def lose(self: Election, reason: LossReason, *, budget: float) -> Any:
        return real(self, reason, budget=self.timing.kill_time)

    with patch.object(Election, "_lose", lose):
        yield


@planted("S4", by="S4", themes="stopping")
def _no_renewal_while_stopping() -> Iterator[None]:
    """
    A voluntary stop is not renewed, so that the deadline cuts it short.
    """
    real = Election._renew_if_due

    def renew_if_due(self: Election, now: float) -> Any:
        actions = real(self, now)
        if self.state is not State.STOPPING:
            return actions
        self._busy = False
        return tuple(each for each in actions if not isinstance(each, ev.Renew))

    def wake_later(self: Election, now: float) -> Any:
        self._next_try = max(self._next_try, now + 0.5)
        return renew_if_due(self, now)

    with patch.object(Election, "_renew_if_due", wake_later):
        yield


@planted("S5", by="S5", themes="stopping, soup")
def _release_before_dead() -> Iterator[None]:
    """
    The lease is released as soon as the workload was told to stop.
    """

    def stop_workload(self: Election, why: str, now: float) -> Any:
        stop = ev.StopWorkload(why=why, budget=self.timing.stop_timeout)
        return (stop, *self._release(now))

    with patch.object(Election, "_stop_workload", stop_workload):
        yield


@planted("S5", by="S5", themes="bad peers, steal, soup")
def _release_of_another() -> Iterator[None]:
    """
    Whatever the record says when it is read is released, as client-go does.
    """

    async def release(self: RecordedLeaseManager) -> None:
        await self._read()
        stored = self._seen.stored
        if stored is not None:
            await self._store.replace(
                stored, free(stored.record, wall=self._clock.wall())
            )

    with patch.object(RecordedLeaseManager, "release", release):
        yield


@planted("S5", by="S5, S15", themes="stuck, partition, soup")
def _gone_before_reaped() -> Iterator[None]:
    """
    The guard reports a killed workload gone before it is reaped.
    """
    real = SimTree.kill

    def kill(self: SimTree) -> bool:
        done = real(self)
        self.leader = None
        return done

    with (
        patch.object(SimTree, "kill", kill),
        patch.object(SimTree, "is_empty", lambda self: self.leader is None),
    ):
        yield
