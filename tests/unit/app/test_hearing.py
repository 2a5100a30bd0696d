"""
What the guard says of a workload's end decides how long its candidate stays out.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from k8s_leader.app.hearing import Hearing
from k8s_leader.election import events as ev
from k8s_leader.election.events import State
from k8s_leader.election.timing import Timing
from k8s_leader.runner.loop import ElectionLoop

TIMING = Timing.derive(15.0)


class Loop:
    """
    An election that leads, and what it is told.
    """

    def __init__(self) -> None:
        self.election = SimpleNamespace(state=State.LEADING, grant=object())
        self.reported: list[Any] = []

    def tell(self, _notice: object) -> None:
        pass

    def report(self, event: object, *, reason: str) -> None:
        self.reported.append((event, reason))


@pytest.mark.parametrize(
    ("loops", "backoff"), [(True, TIMING.lease_duration), (False, TIMING.retry_period)]
)
def test_a_crash_loop_stays_out_for_as_long_as_a_lease(
    loops: bool, backoff: float
) -> None:
    """
    The others have all the time that they could need to take over.
    """
    loop = Loop()
    hearing = Hearing(
        cast("ElectionLoop", loop),
        workload=cast("Any", None),
        watch=cast("Any", SimpleNamespace(gone=lambda: None)),
        timing=TIMING,
        one_term=False,
    )
    hearing.hear({"type": "gone", "token": 7, "code": 3, "crash_loop": loops})
    assert loop.reported == [(ev.WorkloadGone(backoff=backoff), "the workload ended")]
