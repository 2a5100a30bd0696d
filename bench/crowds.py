"""
Very many candidates in few processes, ours or client-go's, all of one account.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k8s_leader.election.orders import STEP_DOWN
from tests.helpers.cluster import LEASE_RULES
from tests.helpers.go_build import PEERS

if TYPE_CHECKING:
    from bench.lab import Lab

__all__ = ["CROWDS", "Crowd", "CrowdKind", "crowd"]

_PATIENCE = 120.0


class Crowd:
    """
    The processes, and what they say.

    Attributes:
        api: whom they ask.
        namespace: of their Leases.
        user: their name in the audit log.
    """

    def __init__(
        self,
        lab: Lab,
        kind: CrowdKind,
        *,
        processes: int,
        each: int,
        leases: int,
        length: float,
    ) -> None:
        self._lab = lab
        self._kind = kind
        self.api = lab.api
        self.namespace = self.api.create_namespace("crowd")
        token = self.api.service_account(self.namespace, "crowd", rules=LEASE_RULES)
        self.user = f"system:serviceaccount:{self.namespace}:crowd"
        self._said: dict[str, queue.Queue[float]] = defaultdict(queue.Queue)
        names = ",".join(f"lease-{number}" for number in range(leases))
        config = self.api.kubeconfig(token, namespace=self.namespace)
        argv = [*kind.program(), f"--kubeconfig={config}"]
        argv += [f"--namespace={self.namespace}", f"--candidates={each}"]
        argv += [f"--leases={names}", *kind.timing(length)]
        self._all = [
            self._start([*argv, f"--identity=crowd-{number}"], number)
            for number in range(processes)
        ]

    @property
    def pids(self) -> list[int]:
        return [each.pid for each in self._all]

    def wait(self, event: str) -> float:
        """
        Wait for the next ``event`` and return when it was (boot-time seconds).
        """
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                return self._said[event].get(timeout=1.0)
            ended = [each.returncode for each in self._all if each.poll() is not None]
            if ended:  # an overloaded machine: who cannot renew in time is killed (S10)
                raise RuntimeError(f"processes of the crowd ended with status {ended}")
        raise TimeoutError(f"no {event!r} of the crowd in {_PATIENCE:g} s")

    def step_down(self) -> None:
        """
        Ask the leader of the first Lease to give it up.
        """
        self._kind.step_down(self)

    def close(self) -> None:
        """
        Kill all.
        """
        for each in self._all:
            each.kill()
            each.wait()
            self._lab.lifeline.discard(each.pid)

    def _start(self, argv: list[str], number: int) -> subprocess.Popen[bytes]:
        with (self.api.folder / f"{self.namespace}-{number}.log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log)
        self._lab.lifeline.add(process.pid)
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        return process

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            self._said[said["event"]].put(said["boot"])


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdKind:
    """
    Whose candidates they are.

    Attributes:
        name: as everywhere in the bench.
        program: returns the beginning of the command line.
        timing: returns what sets a lease duration (seconds), and by default the rest.
        step_down: lets the leader of a crowd's first Lease give it up.
    """

    name: str
    program: Callable[[], list[str]]
    timing: Callable[[float], list[str]]
    step_down: Callable[[Crowd], None]


@contextmanager
def crowd(
    lab: Lab,
    kind: CrowdKind,
    *,
    processes: int,
    each: int,
    leases: int,
    length: float = 15.0,
) -> Iterator[Crowd]:
    """
    Lend a crowd: ``each`` candidates in each process, dealt out over the Leases.

    The Leases have a duration of ``length`` seconds.
    """
    made = Crowd(
        lab, kind, processes=processes, each=each, leases=leases, length=length
    )
    try:
        yield made
    finally:
        made.close()


def _ask(all_: Crowd) -> None:
    all_.api.annotate_lease(all_.namespace, "lease-0", {STEP_DOWN: "true"})


def _signal(all_: Crowd) -> None:
    for pid in all_.pids:
        os.kill(pid, signal.SIGUSR1)


def _client_go_timing(length: float) -> list[str]:
    """
    Return flags in the proportions of client-go's defaults: 15 s, 10 s, 2 s.
    """
    return [
        f"--lease-duration={length}s",
        f"--renew-deadline={length * 10 / 15}s",
        f"--retry-period={length * 2 / 15}s",
    ]


CROWDS = {
    "ours": CrowdKind(
        name="ours",
        program=lambda: [sys.executable, "-m", "bench.crowd"],
        timing=lambda length: [f"--lease-duration={length}"],
        step_down=_ask,
    ),
    "client-go": CrowdKind(
        name="client-go",
        program=lambda: [str(PEERS.build())],
        timing=_client_go_timing,
        step_down=_signal,
    ),
}
