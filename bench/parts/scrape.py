"""
What scrapes cost: their own time, and what they do to a renewal.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import statistics
import subprocess
import sys
import time

from bench.audit import writes
from bench.candidates import KINDS
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row
from bench.scraper import scrape
from k8s_leader.app.visibility import Visibility
from k8s_leader.clock import SystemClock
from k8s_leader.election.events import State
from k8s_leader.election.grant import Grant
from k8s_leader.election.timing import Timing
from k8s_leader.observers.port import (
    GrantMoved,
    Notice,
    RequestDone,
    StateChanged,
    WorkloadExited,
    WorkloadStarted,
)
from k8s_leader.observers.status import Candidacy

__all__ = ["PART"]

_TERMS = 1000
_PER_SECOND = 1000
_SECONDS = (60, 12)
_RENEW_EVERY = 0.5
_APART = 0.15
"""Seconds between two timed scrapes: each is rendered anew."""


def measure(lab: Lab) -> Samples:
    """
    Scrape a candidate with a long history, then a leader very often.
    """
    return {"ours": {**_scrapes(lab.rounds), **_renewals(lab)}}


def _scrapes(rounds: int) -> dict[str, list[float]]:
    clock = SystemClock()
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    candidacy = Candidacy(
        identity="a",
        lease="l",
        namespace="n",
        timing=Timing.derive(lease_duration=15.0),
    )
    seen = Visibility(candidacy, clock=clock, listening=listening)
    try:
        _tell(seen, clock)
        scrapes = [_after(_APART, port) for _ in range(rounds)]
    finally:
        seen.close()
    took, used = zip(*scrapes, strict=True)
    return {"scrape": list(took), "used": list(used)}


def _after(seconds: float, port: int) -> tuple[float, float]:
    """
    Scrape; return how long it took, and the processor's time in the server's thread.
    """
    time.sleep(seconds)
    all_before, own_before = time.process_time(), time.thread_time()
    took = scrape(port)
    own = time.thread_time() - own_before
    return took, time.process_time() - all_before - own


def _tell(seen: Visibility, clock: SystemClock) -> None:
    async def tell() -> None:
        for token in range(1, _TERMS + 1):
            for notice in _term(token, clock.now()):
                for observer in seen.observers:
                    observer.on_notice(notice)

    asyncio.run(tell())


def _term(token: int, now: float) -> list[Notice]:
    grant = Grant(token=token, sent=now, stop_at=now + 10, until=now + 13)
    states = (State.STANDBY, State.ACQUIRING, State.LEADING, State.STOPPING)
    path = [*states, State.RELEASING, State.STANDBY]
    changes = [
        StateChanged(before=before, after=after, reason="", token=token, holder="a")
        for before, after in itertools.pairwise(path)
    ]
    return [
        *changes[:2],
        GrantMoved(grant=grant),
        WorkloadStarted(token=token, pid=1),
        RequestDone(operation="acquire", seconds=0.002),
        RequestDone(operation="renew", seconds=0.002, left=10.0),
        WorkloadExited(token=token, code=token % 100),
        *changes[2:],
    ]


def _renewals(lab: Lab) -> dict[str, list[float]]:
    """
    Return how much later renewals come under scrapes, and how many were answered.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    options = (f"--http=127.0.0.1:{port}", f"--renew-every={_RENEW_EVERY}s")
    stage = lab.stage(KINDS["ours"], options=options)
    seconds = _SECONDS[lab.quick]
    try:
        stage.enter("a")
        stage.wait_started(timeout=60)
        time.sleep(2)
        user = stage.seat("a").user
        quiet = _intervals(lab, user, quietly=seconds)
        begin = time.time()
        answered = int(_run_scraper(port, seconds))
        busy = _intervals(lab, user, since=begin)
    finally:
        stage.close()
    usual = statistics.median(quiet)
    return {
        "moved": [interval - usual for interval in busy],
        "jitter": [interval - usual for interval in quiet],
        "answered": [answered / seconds],
    }


def _run_scraper(port: int, seconds: int) -> str:
    argv = [sys.executable, "-m", "bench.scraper"]
    argv += [str(port), str(_PER_SECOND), str(seconds)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def _intervals(
    lab: Lab, user: str, *, since: float = 0.0, quietly: float = 0.0
) -> list[float]:
    since = since or time.time()
    time.sleep(quietly)
    done = [w.done for w in writes(lab.api.audit_events(), user=user, since=since)]
    return [after - before for before, after in itertools.pairwise(done)]


PART = Part(
    name="scrape",
    about=f"A scrape of /metrics after {_TERMS:,} terms, over a connection of its own; "
    f"and how much later than usual the renewals of a leader (one in {_RENEW_EVERY} s) "
    f"are answered while {_PER_SECOND:,} scrapes a second are asked of it.",
    rows=(
        Row(key="scrape", what=f"scrape after {_TERMS:,} terms", goal=0.005),
        Row(key="used", what="processor of such a scrape"),
        Row(key="answered", what="scrapes answered", unit="/s"),
        Row(key="moved", what="renewals later under scrapes by", goal=0.01),
        Row(key="jitter", what="the same without scrapes"),
    ),
    measure=measure,
    rounds=(300, 50),
)
