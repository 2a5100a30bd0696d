"""
A round of the fuzz run: one guard, a scripted elector, a workload, random events.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.helpers.scripted_elector import ScriptedElector, boot_time
from tests.integration.guard.harness import SHORT, Guarded, as_pid_1

if TYPE_CHECKING:
    import random
    from pathlib import Path

__all__ = ["LATE", "Event", "ScriptedRound"]

WRITER = """
import os, signal, sys, time
mode = sys.argv[1]
if mode in ("stubborn", "daemon"):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
if mode == "daemon" and os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
end = time.monotonic() + (0.4 if mode == "brief" else 1000)
while time.monotonic() < end:
    os.write(1, b"%.6f\\n" % time.clock_gettime(time.CLOCK_BOOTTIME))
    time.sleep(0.01)
sys.exit(5)
"""
LENGTH = 1.6
LATE = "writes after the grant"
_PATIENCE = 20.0
_TO_GUARD = ["HUP", "USR1", "QUIT", "WINCH", "CONT", "TSTP", "ALRM", "TERM", "INT"]
_TO_ELECTOR = ["KILL", "SEGV", "TERM", "STOP", "CONT"]
_TO_WORKLOAD = ["KILL", "TERM", "STOP", "CONT", "HUP"]
_WORDS = ["stop", "garbage", "mute", "late", "exit 1", "exit 79", "exit 0"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    Something that happens to somebody, so many seconds into the round.
    """

    at: float
    whom: str
    what: str


def events(chance: random.Random) -> list[Event]:
    """
    Return what happens in a round.
    """
    found = []
    for _ in range(chance.randint(1, 6)):
        whom = chance.choice(["guard", "guard", "elector", "workload", "word"])
        what = {
            "guard": _TO_GUARD + ["STOP", "KILL"][: chance.randint(0, 2)],
            "elector": _TO_ELECTOR,
            "workload": _TO_WORKLOAD,
            "word": _WORDS,
        }[whom]
        at = chance.uniform(0, LENGTH)
        found.append(Event(at=at, whom=whom, what=chance.choice(what)))
    return sorted(found, key=lambda event: event.at)


class ScriptedRound:
    """
    Plays the elector and the events until the guard ends, then judges.
    """

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self._events = events(chance)
        self._mode = chance.choice(["obedient", "stubborn", "daemon", "brief"])
        self._is_pid_1 = chance.random() < 1 / 4
        self._guard = Guarded(
            [sys.executable, "-I", "-S", "-c", WRITER, self._mode],
            folder=folder,
            flags=SHORT,
            prefix=as_pid_1() if self._is_pid_1 else [],
        )
        self._left = list(self._events)
        self._elector: ScriptedElector | None = None
        self._began = self._extended_at = self._until = 0.0
        self._token = 0
        self._leads = self._mute = self._frozen = self._stopping = False
        self._last_stop = 0.0

    def play(self) -> None:
        """
        Play the round.

        Raises:
            AssertionError: something is not as it must be.
        """
        self._meet(10.0)
        self._began = boot_time()
        while self._guard.process.poll() is None:
            now = boot_time() - self._began
            assert now < LENGTH + _PATIENCE, "the guard does not end"
            while self._left and self._left[0].at <= now:
                self._happen(self._left.pop(0))
            if now > LENGTH:
                self._wind_up(now)
            self._speak()
        self._judge()

    def close(self) -> None:
        """
        Leave nothing behind.
        """
        self._guard.close()

    def report(self) -> str:
        """
        Return what one needs to understand a failure.
        """
        place = "PID 1" if self._is_pid_1 else "plain"
        told = "\n".join(str(event) for event in self._events)
        return f"{self._mode}, {place}\n{told}\n{self._guard.logged()}"

    # -- the elector ---------------------------------------------------------------

    def _meet(self, timeout: float) -> None:
        try:
            self._elector = elector = self._guard.meet(timeout=timeout)
        except (TimeoutError, AssertionError, FileNotFoundError, ProcessLookupError):
            return  # there is none at the moment, or no more
        self._leads = elector.hello["running"] is not None
        self._stopping = elector.hello["stopping"]
        self._frozen = False

    def _speak(self) -> None:
        if self._elector is None or self._elector.is_over:
            self._elector = None
            self._meet(0.02)
            return
        for message in self._elector.heard():
            if message["type"] in {"gone", "refused"}:
                self._leads = False
            if message["type"] == "stopping":
                self._stopping = True
        try:
            self._act(self._elector)
        except OSError:
            self._elector = None  # it, or the guard, was killed in between

    def _act(self, elector: ScriptedElector) -> None:
        now = boot_time()
        if self._frozen:
            elector.pause(0.01)
        elif self._stopping and not self._leads:
            elector.exit(0)
            self._elector = None
        elif not self._leads and not self._mute:
            self._token += 1
            self._granted(elector.start(token=self._token))
            self._leads = True
        elif self._leads and not self._mute and now > self._extended_at + 0.2:
            self._granted(elector.extend(token=self._token))
        else:
            elector.pause(0.01)

    def _granted(self, message: dict[str, float]) -> None:
        self._extended_at, self._until = message["sent"], message["until"]

    # -- events --------------------------------------------------------------------

    def _happen(self, event: Event) -> None:
        if event.whom == "word":
            self._say(event.what)
            return
        if event.whom == "elector" and self._elector is not None:
            if event.what in {"STOP", "CONT"}:
                self._frozen = event.what == "STOP"
                self._elector.answers = not self._frozen
            _kill(self._elector.pid, event.what)
        elif event.whom == "workload":
            for line in self._guard.survivors():
                _kill(int(line.split()[0]), event.what)
        elif event.whom == "guard":
            _kill(self._guard.pid, event.what)

    def _say(self, word: str) -> None:
        elector = self._elector
        if elector is None or self._frozen:
            return
        try:
            if word == "stop":
                elector.stop(token=self._token, budget=0.2)
            elif word == "garbage":
                elector.raw(b"{")
            elif word == "late":
                elector.extend(token=self._token, until=self._until + 9)
            elif word == "mute":
                self._mute = True
            else:
                elector.exit(int(word.split()[1]))
                self._elector = None
        except OSError:
            self._elector = None

    def _wind_up(self, now: float) -> None:
        """
        Thaw everybody, then ask for the end until it comes.
        """
        self._mute = False
        if now - self._last_stop < 1.0 and self._last_stop:
            return
        self._last_stop = now
        for whom in ("guard", "elector"):
            self._happen(Event(at=now, whom=whom, what="CONT"))
        self._happen(Event(at=now, whom="guard", what="TERM"))

    # -- the verdict -----------------------------------------------------------------

    def _judge(self) -> None:
        code, log = self._guard.wait(), self._guard.logged()
        killed = self._was_killed(code, log)
        assert "Traceback" not in log, "the guard crashed"
        ended = re.findall(r"workload ended with (\d+)", log)
        allowed = {int(ended[-1]) if ended else 0}
        words = {e.what for e in self._events if e.whom == "word"}
        allowed |= {int(w.split()[1]) for w in words if w == "exit 79"}
        assert killed or code in allowed, f"status {code}, not {allowed}"
        if killed and self._mode == "daemon" and not self._is_pid_1:
            self._guard.sweep()  # burying it is the real elector's work
        if killed:
            self._guard.desk.close()
            self._guard.await_no_survivors()
        left = self._guard.survivors()
        assert not left, f"left alive: {left}"
        self._judge_writes(killed=killed)

    def _judge_writes(self, *, killed: bool) -> None:
        daemon_of_dead = killed and self._mode == "daemon"
        if daemon_of_dead or (self._is_pid_1 and self._was_frozen()):
            return  # the stated exceptions
        lines = self._guard.said().split("\n")[:-1]
        # What the margin is for: a machine that is late in all it does.
        end = self._until + self._guard.timing.safety_margin
        late = [float(line) for line in lines if float(line) > end]
        assert not late, f"{len(late)} {LATE}, at {late[-1]:.3f}"

    def _was_killed(self, code: int, log: str) -> bool:
        """
        Tell whether the guard was killed by us, or on a starved machine by the kernel.

        The kernel's timer, or the last resort of a PID 1, comes while the guard ought
        to have killed its workload already: it never said that it is gone.
        """
        if "unshare: sigprocmask" in log:  # some cannot repeat their child's SIGKILL
            return self._guard_was_hit()
        starved = log.rfind("workload gone") < log.rfind("workload started")
        return code == 128 + signal.SIGKILL and (self._guard_was_hit() or starved)

    def _was_frozen(self) -> bool:
        return any(e.whom == "guard" and e.what == "STOP" for e in self._events)

    def _guard_was_hit(self) -> bool:
        hits = [e.what for e in self._events if e.whom == "guard"]
        return "KILL" in hits or "STOP" in hits


def _kill(pid: int, name: str) -> None:
    try:
        os.kill(pid, getattr(signal, f"SIG{name}"))
    except ProcessLookupError:
        pass
