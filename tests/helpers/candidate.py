"""
Real candidates: `k8s-leader run` around a workload that writes down what it does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.helpers.lifeline import Lifeline

_Seen = TypeVar("_Seen")

__all__ = [
    "LASTING",
    "SHORT",
    "Candidate",
    "Entry",
    "Journal",
    "boot_time",
    "wait_until",
]

SHORT = (
    *("--lease-duration", "4s"),
    *("--safety-margin", "0.5s"),
    *("--stop-timeout", "2s"),
)
"""Timings that hold and let a test see an expiry."""

LASTING = (*SHORT, "--lease-duration", "8s")
"""The same where no lease may be lost: on a busy machine a shorter one is at times."""

_WORKLOAD = """
import json, os, signal, sys, time
path, mode = sys.argv[1], sys.argv[2]
out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
def write(event):
    os.write(out, (json.dumps({
        "at": time.clock_gettime(time.CLOCK_BOOTTIME), "event": event,
        "token": int(os.environ["LEADER_FENCING_TOKEN"]),
        "identity": os.environ["LEADER_IDENTITY"],
        "pid": os.getpid()}) + "\\n").encode())
def stop(*_):
    if mode != "stubborn":
        write("end")
        os._exit(int(mode) if mode.isdigit() else 0)
signal.signal(signal.SIGTERM, stop)
if mode == "daemon" and os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork():
        os._exit(0)
else:
    write("start")
if mode == "brief":
    os._exit(7)
while True:
    time.sleep(0.01)
    write("beat")
"""


def boot_time() -> float:
    """
    Return seconds on the clock that every deadline is counted on.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_until(
    what: Callable[[], _Seen], *, timeout: float = 30.0, why: str = "it happens"
) -> _Seen:
    """
    Wait for something in other processes that offer no event to wait for.

    Returns:
        What was seen, for those who would look again: then it may be another.
    """
    deadline = time.monotonic() + timeout
    while not (seen := what()):
        assert time.monotonic() < deadline, f"waited {timeout} s until {why}"
        time.sleep(0.005)
    return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One line that a workload wrote.
    """

    at: float
    event: str
    token: int
    identity: str
    pid: int


class Journal:
    """
    What all workloads of a test wrote, in one file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[Entry]:
        """
        Return all complete lines, oldest first.
        """
        if not self.path.exists():
            return []
        text = self.path.read_text()
        lines = text[: text.rfind("\n") + 1].splitlines()
        return sorted((Entry(**json.loads(x)) for x in lines), key=lambda e: e.at)

    def tokens(self) -> list[int]:
        """
        Return the fencing tokens in the order in which their terms began.
        """
        return [e.token for e in self.entries() if e.event == "start"]

    def last_of(self, token: int) -> Entry:
        """
        Return the last line of a term.
        """
        return [e for e in self.entries() if e.token == token][-1]

    def most_at_once(self) -> int:
        """
        Return how many terms overlapped, by what the workloads wrote themselves.
        """
        spans: dict[int, tuple[float, float]] = {}
        for e in self.entries():
            first, _ = spans.get(e.token, (e.at, e.at))
            spans[e.token] = (first, e.at)
        edges = [(start, 1) for start, _ in spans.values()]
        edges += [(end, -1) for _, end in spans.values()]
        now = most = 0
        # At one instant a start counts before an end: the strict reading.
        for _, step in sorted(edges, key=lambda edge: (edge[0], -edge[1])):
            now += step
            most = max(most, now)
        return most


class Candidate:
    """
    One `k8s-leader run`: a guard, an elector, and a workload while leading.
    """

    def __init__(
        self,
        lease: str,
        journal: Journal,
        *,
        name: str,
        lifeline: Lifeline,
        flags: Sequence[str] = SHORT,
        mode: str = "obedient",
        environ: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        stderr: int | None = None,
    ) -> None:
        self.name = name
        self._is_wrapped = bool(prefix)
        self.log = journal.path.with_name(f"{name}.log")
        argv = [*prefix, sys.executable, "-m", "k8s_leader", "run", "--lease", lease]
        argv += ["--identity", name, *flags, "--"]
        argv += [sys.executable, "-I", "-S", "-c", _WORKLOAD, str(journal.path), mode]
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if stderr is None else stderr,
                start_new_session=True,
                env={**os.environ, **(environ or {})},
                cwd=Path(__file__).parents[2],
            )
        lifeline.add(self._popen.pid)

    @property
    def pid(self) -> int:
        """
        The guard's process id, as this process sees it.
        """
        if not self._is_wrapped:
            return self._popen.pid
        wait_until(lambda: _children(self._popen.pid))
        return _children(self._popen.pid)[0]

    @property
    def is_running(self) -> bool:
        """
        Whether the guard lives; a frozen one does.
        """
        return self._popen.poll() is None

    @property
    def elector(self) -> int | None:
        """
        The elector's process id; ``None`` while there is none.
        """
        found = (pid for pid, line in self._children() if b"\0elector\0" in line)
        return next(found, None)

    def text(self) -> str:
        """
        Return all that it logged.
        """
        return self.log.read_text()

    def leads(self, journal: Journal) -> bool:
        """
        Tell whether the latest term of the journal is this candidate's.
        """
        entries = journal.entries()
        return bool(entries) and entries[-1].identity.startswith(f"{self.name}_")

    def send(self, number: int) -> None:
        """
        Send the guard a signal.
        """
        os.kill(self.pid, number)

    def wait(self, *, timeout: float = 30.0) -> int:
        """
        Wait for its end and return the exit status.
        """
        return self._popen.wait(timeout)

    def stop(self) -> int:
        """
        Stop it as a kubelet does and return the exit status.
        """
        self.send(signal.SIGTERM)
        return self.wait()

    def _children(self) -> list[tuple[int, bytes]]:
        found = []
        for pid in _children(self.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended
                found.append((pid, Path(f"/proc/{pid}/cmdline").read_bytes()))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._popen.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            try:
                self.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self.wait()


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]
