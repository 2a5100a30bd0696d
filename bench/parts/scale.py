"""
Very many candidates on one Lease.
"""

from __future__ import annotations

import time
from itertools import pairwise

from bench.audit import Write, requests_between, writes
from bench.crowds import CROWDS, Crowd, CrowdKind, crowd
from bench.figures import Samples
from bench.lab import Lab
from bench.load import Load
from bench.part import Part, Row
from bench.stage import boot_time

__all__ = ["PART"]

_CROWD = (1000, 40)
_PROCESSES = 4
_SETTLE = 4.0
"""Longer than a stepped-down leader stays out, and than any answer to a hand-over."""


def measure(lab: Lab) -> Samples:
    """
    Measure ours, and client-go's, one after the other.
    """
    found = {}
    for kind in CROWDS.values():
        lab.say(f"  {kind.name}: {_CROWD[lab.quick]} candidates")
        found[kind.name] = _one_lease(lab, kind)
    return found


def _one_lease(lab: Lab, kind: CrowdKind) -> dict[str, list[float]]:
    each = _CROWD[lab.quick] // _PROCESSES
    found: dict[str, list[float]] = {"hand_over": [], "requests": [], "renewal": []}
    with crowd(lab, kind, processes=_PROCESSES, each=each, leases=1) as all_:
        for _ in range(_PROCESSES):
            all_.wait("ready")
        all_.wait("leads")
        time.sleep(2 * _SETTLE)
        load = Load(all_)
        rounds = [_hand_over(all_) for _ in range(lab.rounds)]
        found |= load.so_far("crowd")
        events = all_.api.audit_events()
        done = writes(events, user=all_.user, since=rounds[0][0])
    for began, took, ended in rounds:
        found["hand_over"].append(took)
        counts = requests_between(events, user=all_.user, begin=began, end=ended)
        found["requests"].append(sum(counts.values()) * (ended - began) / 60)
        found["renewal"] += _renewal(done, led=began + took, end=ended)
    return found


def _hand_over(all_: Crowd) -> tuple[float, float, float]:
    """
    Let the leader give up; return when, how long nobody led, and when all was quiet.
    """
    began, asked = time.time(), boot_time()
    all_.step_down()
    took = all_.wait("leads") - asked
    time.sleep(_SETTLE)
    return began, took, time.time()


def _renewal(done: list[Write], *, led: float, end: float) -> list[float]:
    """
    Return the longest time between two writes of the new leader, if it wrote twice.
    """
    taken = [write.done for write in done if write.done <= led][-1:]
    own = taken + [write.done for write in done if led < write.done < end]
    return [max(later - earlier for earlier, later in pairwise(own))] if own[1:] else []


_ABOUT = (
    f"{_CROWD[0]} candidates on one Lease, in {_PROCESSES} processes (ours share a "
    "`Runtime` in each, client-go's a client whose own limit of requests is off), "
    "whose leader is asked to step down over and over. "
    f"Requests of a hand-over are all that the crowd sends in the {_SETTLE:g} s after "
    "it was asked for, renewals and polls included; ours all read the record once a "
    "minute, to see that their watch is right, and share what is read at one time, "
    "which is some 90 reads. A renewal is "
    "due after 3 s, 2 s with client-go: what is more is delay. Candidates of client-go "
    "poll every 2 to 4.4 s each, so with a thousand of them one is always about to. "
    "All of it, API server and etcd too, runs on the machine named; processor time is "
    "in per cent of one core."
)


PART = Part(
    name="scale",
    about=_ABOUT,
    rows=(
        Row(
            key="hand_over",
            what="1,000 candidates: asked to step down until the next one leads",
            goal=0.25,
        ),
        Row(
            key="requests",
            what=f"1,000 candidates: requests in the {_SETTLE:g} s of a hand-over",
            unit="",
            goal=20,
        ),
        Row(
            key="renewal",
            what="1,000 candidates: longest time between two writes of the new leader",
            goal=3.25,
            limit=5.0,
        ),
        Row(key="crowd_rss", what="1,000 candidates: memory (RSS)", unit="B"),
        Row(key="crowd_cpu", what="1,000 candidates: processor of them", unit="%"),
        Row(
            key="crowd_api_cpu",
            what="1,000 candidates: processor of API server and etcd",
            unit="%",
        ),
    ),
    measure=measure,
    rounds=(15, 3),
)
