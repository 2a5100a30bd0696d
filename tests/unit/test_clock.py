"""
Which clock is read for what: the simulation has its own, so it cannot tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from k8s_leader.clock import SystemClock
from k8s_leader.guard.linux import boot_time

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


@pytest.mark.skipif(_BOOTTIME is None, reason="no such clock: monotonic is the best")
@pytest.mark.parametrize("read", [SystemClock().now, boot_time])
def test_s1_deadlines_are_counted_on_the_clock_that_goes_on_while_a_machine_sleeps(
    read: Callable[[], float],
) -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= read() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_people_are_told_the_time_of_the_wall_clock() -> None:
    before = time.time()
    assert before <= SystemClock().wall() <= time.time()
