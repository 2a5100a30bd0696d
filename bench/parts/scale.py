"""
Very many candidates: all on one Lease, and two on each of very many Leases.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from bench.audit import requests_between
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row
from bench.processes import memory, processor
from bench.stage import boot_time
from k8s_leader.election.orders import STEP_DOWN
from tests.helpers.cluster import LEASE_RULES

__all__ = ["PART"]

_CROWD = (1000, 40)
_LEASES = (1000, 20)
_PROCESSES = 4
_SECONDS = (60.0, 10.0)
_PATIENCE = 300.0
_SETTLE = 4.0
"""Longer than a stepped-down leader stays out, and than any answer to a hand-over."""


class _Crowd:
    """
    Candidates in a few processes, all of one account.
    """

    def __init__(self, lab: Lab, *, processes: int, each: int, leases: int) -> None:
        self._lab = lab
        self.api = lab.api
        self.namespace = self.api.create_namespace("crowd")
        token = self.api.service_account(self.namespace, "crowd", rules=LEASE_RULES)
        self.user = f"system:serviceaccount:{self.namespace}:crowd"
        self._said: dict[str, queue.Queue[float]] = defaultdict(queue.Queue)
        names = ",".join(f"lease-{number}" for number in range(leases))
        config = self.api.kubeconfig(token, namespace=self.namespace)
        argv = [sys.executable, "-m", "bench.crowd", f"--kubeconfig={config}"]
        argv += [f"--namespace={self.namespace}", f"--candidates={each}"]
        argv += [f"--leases={names}"]
        self._all = [
            self._start([*argv, f"--name=crowd-{number}"], number)
            for number in range(processes)
        ]

    @property
    def pids(self) -> list[int]:
        return [each.pid for each in self._all]

    def wait(self, event: str) -> float:
        """
        Wait for the next ``event`` and return when it was (boot-time seconds).
        """
        try:
            return self._said[event].get(timeout=_PATIENCE)
        except queue.Empty:
            raise TimeoutError(
                f"no {event!r} of the crowd in {_PATIENCE:g} s"
            ) from None

    def close(self) -> None:
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
            self._said[said["event"]].put(said["at"])


@contextmanager
def _crowd(lab: Lab, *, processes: int, each: int, leases: int) -> Iterator[_Crowd]:
    crowd = _Crowd(lab, processes=processes, each=each, leases=leases)
    try:
        yield crowd
    finally:
        crowd.close()


def measure(lab: Lab) -> Samples:
    """
    Measure ours.
    """
    return {"ours": {**_one_lease(lab), **_many_leases(lab)}}


def _one_lease(lab: Lab) -> dict[str, list[float]]:
    each = _CROWD[lab.quick] // _PROCESSES
    found: dict[str, list[float]] = {"hand_over": [], "requests": []}
    with _crowd(lab, processes=_PROCESSES, each=each, leases=1) as crowd:
        for _ in range(_PROCESSES):
            crowd.wait("ready")
        crowd.wait("leads")
        time.sleep(3 * _SETTLE)
        spans = []
        for _ in range(lab.rounds):
            begin, asked = time.time(), boot_time()
            _ask_to_step_down(crowd)
            found["hand_over"].append(crowd.wait("leads") - asked)
            time.sleep(_SETTLE)
            spans.append((begin, time.time()))
        found["crowd_rss"] = [memory(crowd.pids).rss]
        events = crowd.api.audit_events()
    for begin, end in spans:
        counts = requests_between(events, user=crowd.user, begin=begin, end=end)
        found["requests"].append(sum(counts.values()) * (end - begin) / 60)
    return found


def _ask_to_step_down(crowd: _Crowd) -> None:
    path = crowd.api.lease_path(crowd.namespace, "lease-0")
    order = {"metadata": {"annotations": {STEP_DOWN: "true"}}}
    kind = "application/merge-patch+json"
    crowd.api.request("PATCH", path, order, content_type=kind)


def _many_leases(lab: Lab) -> dict[str, list[float]]:
    count = _LEASES[lab.quick]
    with _crowd(lab, processes=2, each=count, leases=count) as crowd:
        for _ in range(count):
            crowd.wait("leads")
        time.sleep(3 * _SETTLE)
        begin, used = time.time(), processor(crowd.pids)
        served = processor([crowd.api.server.pid, crowd.api.etcd.pid])
        time.sleep(_SECONDS[lab.quick])
        end = time.time()
        cpu = (processor(crowd.pids) - used) / (end - begin)
        api = processor([crowd.api.server.pid, crowd.api.etcd.pid]) - served
        events = crowd.api.audit_events()
        counts = requests_between(events, user=crowd.user, begin=begin, end=end)
        return {
            "lease_requests": [sum(counts.values()) / count],
            "many_rss": [memory(crowd.pids).rss],
            "many_cpu": [100 * cpu],
            "many_api_cpu": [100 * api / (end - begin)],
        }


PART = Part(
    name="scale",
    about=f"{_CROWD[0]} candidates on one Lease, in {_PROCESSES} processes by the "
    "library's Runtime, asked to step down over and over; then two candidates on each "
    f"of {_LEASES[0]} Leases, in two processes, left alone for a minute. Requests of a "
    f"hand-over are all that the crowd sends in the {_SETTLE:g} s after it was asked "
    "for, renewals included. All of it, API server and etcd too, runs on the machine "
    "named, so the crowd's own processor time is in the figures.",
    rows=(
        Row(
            key="hand_over",
            what="1,000 candidates: asked to step down until the next one leads",
            goal=0.25,
        ),
        Row(key="requests", what="1,000 candidates: requests of a hand-over", unit=""),
        Row(key="crowd_rss", what="1,000 candidates: memory (RSS)", unit="B"),
        Row(
            key="lease_requests", what="1,000 Leases: requests of a Lease", unit="/min"
        ),
        Row(key="many_rss", what="1,000 Leases: memory of both processes", unit="B"),
        Row(key="many_cpu", what="1,000 Leases: processor of both", unit="%"),
        Row(
            key="many_api_cpu",
            what="1,000 Leases: processor of API server and etcd",
            unit="%",
        ),
    ),
    measure=measure,
    rounds=(30, 3),
)
