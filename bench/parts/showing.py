"""
What it costs a candidate to be seen: memory, time to start, and the hand-over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from bench.candidates import KINDS
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row
from bench.parts.sigterm import hand_over
from bench.stage import Stage

__all__ = ["PART"]

_CLUSTER = ("--no-events", "--no-pod-label", "--pod-deletion-cost=0")
_WAYS = {
    "on": (),
    "http": (*_CLUSTER, "--no-lease-notes"),
    "off": (*_CLUSTER, "--no-lease-notes", "--http=off"),
}
_LABEL = {"label": (), "bare": ("--no-pod-label", "--pod-deletion-cost=0")}
_FIRST = 60.0

Found = dict[str, list[float]]


def measure(lab: Lab) -> Samples:
    """
    Start candidates in each way, in turns, and weigh them; then let them hand over.
    """
    found: Found = {}
    for _ in range(lab.rounds):
        for way, options in _WAYS.items():
            rss, start = _once(lab, options)
            found.setdefault(f"rss_{way}", []).append(rss)
            found.setdefault(f"start_{way}", []).append(start)
    return {"ours": {**found, **_hand_overs(lab)}}


@contextmanager
def _stage(lab: Lab, options: tuple[str, ...]) -> Iterator[Stage]:
    stage = lab.stage(KINDS["ours"], options=options, with_pods=True)
    with closing(stage):
        yield stage


def _once(lab: Lab, options: tuple[str, ...]) -> tuple[float, float]:
    with _stage(lab, options) as stage:
        stage.seat("a")
        before = stage.enter("a")
        start = stage.wait_started(timeout=_FIRST).at - before
        time.sleep(2)
        return stage.candidates["a"].memory().rss, start


def _hand_overs(lab: Lab) -> Found:
    """
    Hand over with the role label and without, in turns.
    """
    found: Found = {}
    with _stage(lab, _LABEL["label"]) as label, _stage(lab, _LABEL["bare"]) as bare:
        stages, leader, standby = {"label": label, "bare": bare}, "a", "b"
        for stage in stages.values():
            lab.lead_and_stand_by(stage)
        for _ in range(lab.rounds):
            lab.settle()
            for way, stage in stages.items():
                hops: Found = {"released": [], "acquired": [], "next": []}
                hand_over(lab, stage, leader=leader, standby=standby, found=hops)
                for hop in ("released", "next"):
                    found.setdefault(f"{hop}_{way}", []).extend(hops[hop])
                stage.enter(leader)
            leader, standby = standby, leader
    return found


PART = Part(
    name="showing",
    about="The same leader in turns: with metrics, HTTP, Events, the marks on its Pod "
    "and the notes on its Lease; with metrics and HTTP only; and with nothing of that. "
    "Then SIGTERM of a leader, with the role label on its Pod (which has to be gone "
    "before the workload is told to stop) and without, in turns.",
    rows=(
        Row(key="rss_on", what="memory with everything (RSS)", unit="B"),
        Row(key="rss_http", what="memory with metrics and HTTP", unit="B"),
        Row(key="rss_off", what="memory without", unit="B"),
        Row(key="start_on", what="start → workload runs, with everything"),
        Row(key="start_http", what="start → workload runs, with metrics and HTTP"),
        Row(key="start_off", what="start → workload runs, without"),
        Row(key="released_label", what="SIGTERM → released, with the label"),
        Row(key="released_bare", what="SIGTERM → released, without it"),
        Row(key="next_label", what="SIGTERM → next workload runs, with the label"),
        Row(key="next_bare", what="SIGTERM → next workload runs, without it"),
    ),
    measure=measure,
    rounds=(15, 2),
)
