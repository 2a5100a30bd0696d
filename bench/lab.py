"""
What every part works in: one API server for all electors, and a clean end.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Self

from bench.candidates import Candidate, Kind, Seat
from bench.stage import Stage
from tests.helpers.cluster import ApiServer
from tests.helpers.go_build import CLUSTER, PEERS
from tests.helpers.lifeline import Lifeline

__all__ = ["Lab"]

_FIRST = 60.0
_POLLING = 4.4
"""client-go's longest wait between two looks (seconds)."""


class Lab:
    """
    The place of a measurement; everything in it goes when it is left or interrupted.

    Attributes:
        rounds: how many the part shall make.
        quick: rough figures are enough.
        folder: for files; removed at the end.
    """

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.rounds = 0
        self.lifeline = Lifeline()
        self.folder = Path(tempfile.mkdtemp(prefix="k8s-leader-bench-"))
        self.lifeline.add_folder(self.folder)
        self._stack = contextlib.ExitStack()
        self._api: ApiServer | None = None
        self._starting = threading.Lock()
        self._namespace = ""
        self._random = random.Random(1)
        self._leases = 0

    @property
    def api(self) -> ApiServer:
        """
        The API server, started when it is first asked for.
        """
        with self._starting:  # electors that are measured together ask at once
            if self._api is None:
                self._api = self._start()
        return self._api

    def _start(self) -> ApiServer:
        PEERS.build(progress=self.say)
        binary = CLUSTER.build(progress=self.say)
        api = self._stack.enter_context(
            ApiServer(binary, audit="Metadata", durable=True)
        )
        self._namespace = api.create_namespace("bench")
        # Without it no Pod is admitted; nobody else makes it here.
        accounts = f"/api/v1/namespaces/{self._namespace}/serviceaccounts"
        api.request("POST", accounts, {"metadata": {"name": "default"}})
        return api

    def stage(
        self, kind: Kind, *, options: tuple[str, ...] = (), with_pods: bool = False
    ) -> Stage:
        """
        Return the stage of a new Lease.

        Args:
            kind: of its candidates.
            options: more flags of theirs.
            with_pods: whether each has a Pod to put its marks on.
        """
        api = self.api
        self._leases += 1
        lease = f"{kind.name}-{self._leases}"
        return Stage(
            api,
            kind=kind,
            namespace=self._namespace,
            lease=lease,
            options=options,
            with_pods=with_pods,
        )

    def lead_and_stand_by(self, stage: Stage) -> None:
        """
        Start a leader ``a`` and a standby ``b``.
        """
        # Accounts first: their creation must not lie between the two candidates.
        stage.seat("a")
        stage.seat("b")
        stage.enter("a")
        stage.wait_started(timeout=_FIRST)
        stage.enter("b")

    def settle(self) -> None:
        """
        Wait until a starting standby is ready, then for a random point of a poll.
        """
        time.sleep(1.5 + self._random.uniform(0, _POLLING))

    def start(self, kind: Kind, seat: Seat) -> Candidate:
        """
        Start a candidate that is no stage's.
        """
        return Candidate(kind, seat=seat, lifeline=self.lifeline)

    def say(self, line: str) -> None:
        """
        Tell the person who waits.
        """
        print(line, file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        # A shell starts background jobs with SIGINT ignored: ours is to be stopped.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.lifeline.close()

    def _interrupted(self, number: int, _: FrameType | None) -> None:
        # Threads may wait for minutes for what never comes: they are not asked.
        self.say(f"stopped by {signal.Signals(number).name}: all that runs is killed")
        if self._api is not None:
            self._api.lifeline.close()
        self.lifeline.close()
        os._exit(128 + number)
