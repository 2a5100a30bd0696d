"""
One Lease with its candidates, and the pipe on which their workloads report.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.candidates import Candidate, Seat

if TYPE_CHECKING:
    from bench.candidates import Kind
    from tests.helpers.cluster import ApiServer

__all__ = ["Stage", "Started", "boot_time"]


def boot_time() -> float:
    """
    Return seconds on CLOCK_BOOTTIME, the clock of all measurements.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """
    A workload's first instruction: whose it is, and when its line arrived.
    """

    seat: str
    pid: int
    token: int
    at: float


class Stage:
    """
    One Lease, the seats (accounts) of its candidates, and the candidates there now.

    The workload is a shell whose first instruction writes a line to a pipe; the
    reader stamps it on arrival, so the figures hold the shell's start and the wake-up
    of the reader too, the same for every elector.
    """

    def __init__(
        self,
        api: ApiServer,
        *,
        kind: Kind,
        namespace: str,
        lease: str,
        options: Sequence[str] = (),
        with_pods: bool = False,
    ) -> None:
        self._api = api
        self._options = options
        self._with_pods = with_pods
        self.kind = kind
        self._namespace = namespace
        self.lease = lease
        self._fifo = api.folder / f"fifo-{namespace}-{lease}"
        os.mkfifo(self._fifo)
        # Read and write, so that it never sees an end between two workloads.
        self._descriptor = os.open(self._fifo, os.O_RDWR)
        self._lines: queue.Queue[Started] = queue.Queue()
        self.candidates: dict[str, Candidate] = {}
        self._seats: dict[str, Seat] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def seat(self, name: str) -> Seat:
        """
        Return the place of a candidate: its account, its kubeconfig, its command.
        """
        if name not in self._seats:
            account = f"{self.lease}-{name}"
            self._seats[name] = Seat.make(
                self._api,
                namespace=self._namespace,
                lease=self.lease,
                account=account,
                command=self._command(name),
                options=self._options,
                with_pod=self._with_pods,
            )
        return self._seats[name]

    def enter(self, name: str) -> float:
        """
        Start a candidate in this seat and return the time just before.
        """
        seat = self.seat(name)
        before = boot_time()
        self.candidates[name] = Candidate(
            self.kind, seat=seat, lifeline=self._api.lifeline
        )
        return before

    def wait_started(self, *, timeout: float) -> Started:
        """
        Wait for the next workload.

        Raises:
            TimeoutError: none came; the candidates' last words are in the message.
        """
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                return self._lines.get(timeout=min(left, 1.0))
            except queue.Empty:
                if not any(c.is_running for c in self.candidates.values()):
                    break
        words = "\n".join(f"{n}: {c.tail()}" for n, c in self.candidates.items())
        raise TimeoutError(f"no workload of {self.kind.name} started\n{words}")

    def close(self) -> None:
        """
        Kill what is left.
        """
        for candidate in self.candidates.values():
            candidate.kill()

    def _command(self, name: str) -> list[str]:
        script = 'echo "$1 $$ ${LEADER_FENCING_TOKEN:-0}" >"$0"; exec sleep 100000'
        return ["/bin/sh", "-c", script, str(self._fifo), name]

    def _read(self) -> None:
        with os.fdopen(self._descriptor, "rb", buffering=0) as pipe:
            while data := pipe.read(65536):
                now = boot_time()
                for line in data.decode().splitlines():
                    seat, pid, token = line.split()
                    self._lines.put(
                        Started(seat=seat, pid=int(pid), token=int(token), at=now)
                    )
