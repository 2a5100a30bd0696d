"""
A peer on the same Lease: an elector that works as client-go's does.

It polls, compares what it sees by the whole second, and decides by its own clock.
Without mistakes it stops in time; with them it blanks a record it no longer holds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from k8s_leader.election.record import Record, Stored, micro_time
from k8s_leader.errors import LeaseError
from tests.simulation.checks import Checks
from tests.simulation.network import Link
from tests.simulation.overlaps import Run
from tests.simulation.server import Server
from tests.simulation.world import Machine, Scheduler

__all__ = ["Peer"]


class Peer:
    """
    One client-go-like elector with its workload.

    Args:
        mistakes: whether it works on after it saw another holder, and blanks the
            record with a resourceVersion fetched after it lost it.
    """

    def __init__(
        self,
        name: str,
        *,
        scheduler: Scheduler,
        server: Server,
        checks: Checks,
        chance: random.Random,
        length: float,
        mistakes: bool,
    ) -> None:
        self.name = name
        self.alive = True
        self.leads = False
        self.link = Link(chance=chance)
        self._scheduler = scheduler
        self._server = server
        self._checks = checks
        self._chance = chance
        self._length = length
        self._deadline = length * 2 / 3
        self._retry = length * 2 / 15
        self._mistakes = mistakes
        self._machine = Machine(scheduler, offset=5.0, rate=1.0)
        self._seen: tuple[object, ...] | None = None
        self._seen_at = 0.0
        self._renewed = 0.0
        self._next()

    def _next(self) -> None:
        wait = self._retry
        if not self.leads:
            wait *= 1.0 + 1.2 * self._chance.random()
        self._scheduler.after(wait, self._try)

    def _try(self) -> None:
        if not self.alive:
            return
        now = self._scheduler.now
        if self.leads and now >= self._renewed + self._deadline:
            self._lose()
        self._scheduler.after(self._deadline, self._watchdog, now)
        self._next()
        self._ask(self._server.read, lambda stored: self._decide(now, stored))

    def _watchdog(self, _: float) -> None:
        if self.leads and self._scheduler.now >= self._renewed + self._deadline:
            self._lose()

    def _decide(self, sent: float, stored: Stored | None) -> None:
        if not self.alive:
            return
        now = self._scheduler.now
        if stored is None:
            self._write(sent, lambda: self._server.create(self._claim(None), self.name))
            return
        record = stored.record
        spec = _by_second(record)
        if spec != self._seen:
            self._seen, self._seen_at = spec, now
        mine = record.holder == self.name
        if self.leads and not mine and not self._mistakes:
            self._lose()
        expires = self._seen_at + (record.duration or 0.0)
        if record.holder and not mine and expires > sent:
            return
        new = self._renewal(record) if mine else self._claim(record)
        self._write(sent, lambda: self._server.replace(stored, new, self.name))

    def _claim(self, record: Record | None) -> Record:
        now = micro_time(self._machine.wall())
        before = record or Record(transitions=-1)
        return replace(
            before,
            holder=self.name,
            duration=self._length,
            acquire_time=now,
            renew_time=now,
            transitions=before.transitions + 1,
        )

    def _renewal(self, record: Record) -> Record:
        wall = self._machine.wall()
        return replace(record, duration=self._length, renew_time=micro_time(wall))

    def _write(self, sent: float, execute: Callable[[], Any]) -> None:
        def done(_: Stored) -> None:
            if not self.alive or self._scheduler.now - sent > self._deadline / 2:
                return
            self._renewed = sent
            if not self.leads:
                self.leads = True
                self._checks.overlaps.begin(self.name, Run(since=self._scheduler.now))

        self._ask(execute, done)

    def _ask(self, execute: Callable[[], Any], done: Callable[[Any], None]) -> None:
        link = self.link
        if link.requests_cut or link.lost():
            return

        def arrive() -> None:
            if self._server.down:
                return
            try:
                result = execute()
            except LeaseError:
                return
            if not link.replies_cut and not link.lost():
                self._scheduler.after(link.way(), done, result)

        self._scheduler.after(link.way(), arrive)

    def _lose(self) -> None:
        self.leads = False
        self._checks.overlaps.end(self.name)
        if self._mistakes:
            self._release()

    def _release(self) -> None:
        """
        Blank the record: without mistakes only what is its own.
        """

        def blank(stored: Stored | None) -> None:
            if stored is None:
                return
            if stored.record.holder != self.name and not self._mistakes:
                return
            now = micro_time(self._machine.wall())
            new = replace(
                stored.record, holder="", duration=1.0, acquire_time=now, renew_time=now
            )
            self._ask(lambda: self._server.replace(stored, new, self.name), _ignore)

        self._ask(self._server.read, blank)

    def quit(self) -> None:
        """
        Stop the workload, then release.
        """
        if not self.alive:
            return
        if self.leads:
            self.leads = False
            self._checks.overlaps.end(self.name)
            self._release()
        self.alive = False

    def kill(self) -> None:
        if self.leads:
            self.leads = False
            self._checks.overlaps.end(self.name)
        self.alive = False


def _ignore(_: object) -> None:
    """
    Nobody waits for it.
    """


def _by_second(record: Record) -> tuple[object, ...]:
    return (
        record.holder,
        record.duration,
        (record.acquire_time or "")[:19],
        (record.renew_time or "")[:19],
        record.transitions,
    )
