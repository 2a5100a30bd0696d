"""
Candidates of ours on a SQLite file: no API server, no network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.candidates import Candidate, Kind, Seat, k8s_leader
from bench.lab import Lab
from bench.stage import boot_time
from k8s_leader.app.stores import SQLITE_LEASE
from k8s_leader.leases.sqlite import glance

__all__ = ["LocalLease"]

_PATIENCE = 60.0


class _OnFile(Kind):
    """
    Ours, on the file that the seat names.
    """

    def argv(self, seat: Seat) -> list[str]:
        """
        Return the command line of a candidate.
        """
        lease = f"--lease=sqlite:{seat.lease}"
        return [k8s_leader(), "run", lease, *seat.options, "--", *seat.command]


_KIND = _OnFile(name="ours", releases=True)


class LocalLease:
    """
    One lease of this machine, and its candidates.
    """

    def __init__(self, lab: Lab, name: str) -> None:
        self._lab = lab
        self._path = lab.folder / f"{name}.db"
        self._name = name
        self._made = 0
        self.candidates: list[Candidate] = []

    @property
    def holder(self) -> str:
        """
        Who holds it now; empty: nobody.
        """
        stored = glance(self._path, name=SQLITE_LEASE)
        return "" if stored is None else stored.record.holder

    def enter(self, *command: str, options: Sequence[str] = ()) -> Candidate:
        """
        Start a candidate.
        """
        self._made += 1
        seat = Seat(
            namespace="",
            lease=str(self._path),
            account=f"{self._name}-{self._made}",
            kubeconfig=Path(),
            log=self._lab.folder / f"{self._name}-{self._made}.log",
            command=command or ("sleep", "100000"),
            options=["--http=off", *options],
        )
        candidate = self._lab.start(_KIND, seat)
        self.candidates.append(candidate)
        return candidate

    def wait_held(self) -> None:
        """
        Wait until somebody holds it.
        """
        self._wait(lambda: bool(self.holder), pause=0.01)

    def wait_free(self) -> float:
        """
        Wait until nobody holds it and return when that was seen.
        """
        self._wait(lambda: not self.holder, pause=0.0002)
        return boot_time()

    def close(self) -> None:
        """
        Kill what is left.
        """
        for candidate in self.candidates:
            candidate.kill()

    def _wait(self, is_so: Callable[[], bool], *, pause: float) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError(self.candidates[-1].tail())
            time.sleep(pause)
