"""
What is measured, each on fresh Leases of one API server.
"""

from __future__ import annotations

import concurrent.futures
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.audit import Write, requests_between, writes
from bench.stage import Stage, boot_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.candidates import Kind
    from tests.helpers.cluster import ApiServer

__all__ = ["Idle", "Scenarios", "Sigterm"]

_FIRST = 60.0
_NEXT = 90.0
_POLLING = 4.4  # client-go's longest wait between two looks


@dataclass(slots=True, kw_only=True)
class Sigterm:
    """
    Samples after SIGTERM, in seconds; the parts only where a release was seen.
    """

    next_workload: list[float] = field(default_factory=list)
    until_released: list[float] = field(default_factory=list)
    released_to_acquired: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """
    One undisturbed leader with one standby.
    """

    seconds: float
    leader_requests: dict[str, float]
    standby_requests: dict[str, float]
    leader_memory: tuple[int, int, int]
    standby_memory: tuple[int, int, int]


class Scenarios:
    """
    Runs the measurements and gives raw samples.
    """

    def __init__(
        self, api: ApiServer, *, say: Callable[[str], None], seed: int = 1
    ) -> None:
        self._api = api
        self._say = say
        self._random = random.Random(seed)
        self._namespace = api.create_namespace("bench")

    def start(self, kind: Kind, *, rounds: int) -> list[float]:
        """
        Start of the command until the workload runs, on a Lease that is not there.
        """
        samples = []
        for number in range(rounds):
            stage = self._stage(kind, f"start-{number}")
            try:
                stage.seat("a")
                before = stage.enter("a")
                samples.append(stage.wait_started(timeout=_FIRST).at - before)
            finally:
                stage.close()
        return samples

    def sigterm(self, kind: Kind, *, rounds: int, lanes: int) -> Sigterm:
        """
        SIGTERM of the leader until the next workload runs.

        Args:
            kind: the elector.
            rounds: how many, over all lanes.
            lanes: how many Leases at a time. One, unless the elector takes seconds.
        """
        result = Sigterm()
        shares = [len(range(lane, rounds, lanes)) for lane in range(lanes)]
        with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
            jobs = [
                pool.submit(self._sigterm_lane, kind, lane=lane, rounds=share)
                for lane, share in enumerate(shares)
            ]
            for job in jobs:
                part = job.result()
                result.next_workload += part.next_workload
                result.until_released += part.until_released
                result.released_to_acquired += part.released_to_acquired
        return result

    def sigkill(self, kind: Kind, *, rounds: int) -> list[float]:
        """
        SIGKILL of all the leader's processes until the next workload runs.

        All rounds run at the same time, each on a Lease of its own.
        """
        with concurrent.futures.ThreadPoolExecutor(rounds) as pool:
            return list(pool.map(lambda n: self._sigkill_once(kind, n), range(rounds)))

    def idle(self, kind: Kind, *, seconds: float) -> Idle:
        """
        Leave a leader and a standby alone, count requests and weigh both.
        """
        stage = self._stage(kind, "idle")
        try:
            self._lead_and_stand_by(stage)
            time.sleep(5)  # the start's own requests are over
            begin = time.time()
            time.sleep(seconds)
            end = time.time()
            events = self._api.audit_events()
            counts = [
                requests_between(events, user=stage.seat(s).user, begin=begin, end=end)
                for s in ("a", "b")
            ]
            memory = [stage.candidates[seat].memory() for seat in ("a", "b")]
        finally:
            stage.close()
        return Idle(
            seconds=seconds,
            leader_requests=counts[0],
            standby_requests=counts[1],
            leader_memory=(memory[0].rss, memory[0].pss, memory[0].processes),
            standby_memory=(memory[1].rss, memory[1].pss, memory[1].processes),
        )

    def _stage(self, kind: Kind, name: str) -> Stage:
        return Stage(
            self._api,
            kind=kind,
            namespace=self._namespace,
            lease=f"{kind.name}-{name}",
        )

    def _lead_and_stand_by(self, stage: Stage) -> None:
        # Accounts first: their creation must not lie between the two candidates.
        stage.seat("a")
        stage.seat("b")
        stage.enter("a")
        stage.wait_started(timeout=_FIRST)
        stage.enter("b")

    def _settle(self) -> None:
        # At a random point of a polling standby's cycle, and after a starting one
        # has had the time to read, to watch and to warm its connections.
        time.sleep(1.5 + self._random.uniform(0, _POLLING))

    def _sigterm_lane(self, kind: Kind, *, lane: int, rounds: int) -> Sigterm:
        result = Sigterm()
        stage = self._stage(kind, f"term-{lane}")
        try:
            self._lead_and_stand_by(stage)
            leader, standby = "a", "b"
            for number in range(rounds):
                self._settle()
                self._hand_over(stage, leader=leader, standby=standby, result=result)
                stage.enter(leader)
                leader, standby = standby, leader
                if number % 10 == 9:
                    self._say(f"  {kind.name}: lane {lane}, {number + 1} rounds")
        finally:
            stage.close()
        return result

    def _hand_over(
        self, stage: Stage, *, leader: str, standby: str, result: Sigterm
    ) -> None:
        wall, before = time.time(), boot_time()
        stage.candidates[leader].terminate()
        started = stage.wait_started(timeout=_NEXT)
        if started.seat != standby:
            raise RuntimeError(f"the leader {leader} came back instead of {standby}")
        result.next_workload.append(started.at - before)
        stage.candidates[leader].wait()
        if not stage.kind.releases:
            return
        events = self._api.audit_events()
        self._split(
            wall,
            released=writes(events, user=stage.seat(leader).user, since=wall),
            acquired=writes(events, user=stage.seat(standby).user, since=wall),
            result=result,
        )

    def _split(
        self,
        wall: float,
        *,
        released: list[Write],
        acquired: list[Write],
        result: Sigterm,
    ) -> None:
        if not acquired:
            return
        taken = acquired[0].done
        given = [write for write in released if write.done <= taken]
        if given:
            result.until_released.append(given[-1].done - wall)
            result.released_to_acquired.append(taken - given[-1].done)

    def _sigkill_once(self, kind: Kind, number: int) -> float:
        stage = self._stage(kind, f"kill-{number}")
        try:
            self._lead_and_stand_by(stage)
            self._settle()
            before = boot_time()
            stage.candidates["a"].kill()
            return stage.wait_started(timeout=_NEXT).at - before
        finally:
            stage.close()
