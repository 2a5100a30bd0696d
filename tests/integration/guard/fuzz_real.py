"""
A round of the fuzz run: two real candidates on one SQLite lease, random events.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

from tests.helpers.candidate import Candidate, Journal, boot_time, wait_until
from tests.helpers.lifeline import Lifeline
from tests.integration.guard.fuzz_scripted import Event
from tests.integration.guard.harness import MARK, marked

if TYPE_CHECKING:
    import random
    from pathlib import Path

__all__ = ["AT_ONCE", "RealRound"]

LENGTH = 2.0
AT_ONCE = "two wrote at once"
_SIGNALS = {
    "guard": ["TERM", "INT", "HUP", "USR1", "STOP", "CONT", "KILL"],
    "elector": ["KILL", "TERM", "STOP", "CONT"],
    "workload": ["KILL", "TERM", "STOP", "CONT", "HUP"],
}


class RealRound:
    """
    Two candidates; the one that leads first gets most of the blows.
    """

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self._mode = chance.choice(["obedient", "stubborn", "3"])
        self._waits = chance.random() < 1 / 2
        self._events = sorted(
            (self._event(chance) for _ in range(chance.randint(1, 4))),
            key=lambda event: event.at,
        )
        self._mark = str(uuid.uuid4())
        self._file = folder / "lease.db"
        self._journal = Journal(folder / "journal")
        self._lifeline = Lifeline()
        self._candidates = [self._candidate(name) for name in ("a", "b")]
        self._hit: set[str] = set()

    def _event(self, chance: random.Random) -> Event:
        what = chance.choice(["guard", "elector", "workload"])
        whom = chance.choice(["leader", "leader", "other"])
        number = chance.choice(_SIGNALS[what])
        at = chance.uniform(0, LENGTH)
        return Event(at=at, whom=f"{whom} {what}", what=number)

    def _candidate(self, name: str) -> Candidate:
        return Candidate(
            f"sqlite:{self._file}",
            self._journal,
            name=name,
            lifeline=self._lifeline,
            mode=self._mode,
            environ={MARK: self._mark},
        )

    def play(self) -> None:
        """
        Play the round.

        Raises:
            AssertionError: something is not as it must be.
        """
        wait_until(self._journal.tokens, why="somebody leads")
        a, b = self._candidates
        sides = {"leader": a, "other": b}
        if b.leads(self._journal):
            sides = {"leader": b, "other": a}
        began = boot_time()
        for event in self._events:
            wait_until(lambda at=event.at: boot_time() >= began + at)  # type: ignore[misc]  # of this turn
            self._happen(event, sides)
        if self._waits and all(each.is_running for each in self._candidates):
            self._thaw()
            wait_until(self._is_led, why="somebody leads again")
        self._thaw()
        codes = {each.name: self._stop(each) for each in self._candidates}
        self._judge(codes)

    def close(self) -> None:
        """
        Leave nothing behind.
        """
        for pid, _ in marked(self._mark):
            _kill(pid, "KILL")
        for candidate in self._candidates:
            candidate.wait()
        self._lifeline.close()

    def report(self) -> str:
        """
        Return what one needs to understand a failure.
        """
        told = "\n".join(str(event) for event in self._events)
        logs = "\n".join(each.text() for each in self._candidates)
        return f"{self._mode}, waits: {self._waits}\n{told}\n{logs}"

    def _happen(self, event: Event, sides: dict[str, Candidate]) -> None:
        side, what = event.whom.split()
        candidate = sides[side]
        if what != "workload" and event.what != "CONT":
            self._hit.add(candidate.name)
        if not candidate.is_running:
            return
        if what == "guard":
            _kill(candidate.pid, event.what)
        for pid in {"elector": self._electors, "workload": self._workloads}.get(
            what, lambda _: []
        )(candidate):
            _kill(pid, event.what)

    def _electors(self, candidate: Candidate) -> list[int]:
        found = _children(candidate.pid)
        return [pid for pid, line in found if "elector" in line]

    def _workloads(self, candidate: Candidate) -> list[int]:
        found = _children(candidate.pid)
        return [pid for pid, line in found if "elector" not in line]

    def _thaw(self) -> None:
        for pid, _ in marked(self._mark):
            _kill(pid, "CONT")

    def _is_led(self) -> bool:
        entries = self._journal.entries()
        alive = any(each.is_running for each in self._candidates)
        return not alive or (entries[-1].event != "end" and _is_new(entries[-1].at))

    def _stop(self, candidate: Candidate) -> int:
        if candidate.is_running:
            _kill(candidate.pid, "TERM")
        code = candidate.wait(timeout=40)
        return code if code >= 0 else 128 - code

    def _judge(self, codes: dict[str, int]) -> None:
        wait_until(lambda: not marked(self._mark), timeout=10, why="nothing is left")
        assert self._journal.most_at_once() <= 1, AT_ONCE
        for candidate in self._candidates:
            code, name = codes[candidate.name], candidate.name
            ended = re.findall(r"workload ended with (\d+)", candidate.text())
            allowed = {int(ended[-1]) if ended else 0}
            if name in self._hit:
                allowed.add(128 + signal.SIGKILL)
            assert code in allowed, f"{name}: status {code}, not {allowed}"
            assert "Traceback" not in candidate.text(), f"{name} crashed"
        self._judge_lease()

    def _judge_lease(self) -> None:
        with closing(sqlite3.connect(self._file)) as base:
            (text,) = base.execute("SELECT record FROM lease").fetchone()
        holder = str(json.loads(text)["holder"] or "")
        kept = holder and holder.partition("_")[0] not in self._hit
        assert not kept, f"the lease is still held by {holder}"


def _is_new(at: float) -> bool:
    return boot_time() - at < 0.2  # a beat comes every 10 ms


def _children(pid: int) -> list[tuple[int, str]]:
    found = []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123  # short
            pids = [int(word) for word in file.read().split()]
        for child in pids:
            with open(f"/proc/{child}/cmdline", encoding="utf-8") as file:  # noqa: PTH123  # short
                found.append((child, file.read()))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def _kill(pid: int, name: str) -> None:
    try:
        os.kill(pid, getattr(signal, f"SIG{name}"))
    except ProcessLookupError:
        pass
