"""
An orderly stop lets the elector speak first, for a moment and no longer.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.scripted_elector import boot_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.scripted_elector import ScriptedElector
    from tests.integration.guard.harness import Guarded

TELLER = """
import os, signal, time
def told(*_):
    os.write(1, b"%.6f\\n" % time.clock_gettime(time.CLOCK_BOOTTIME))
    os._exit(0)
signal.signal(signal.SIGTERM, told)
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""
TELL = [sys.executable, "-I", "-S", "-c", TELLER]


@pytest.mark.parametrize(
    ("courtesy", "least"), [(0.09, 0.09), (999.0, 0.1), (0.0, 0.0)]
)
def test_a_silent_elector_is_waited_for_at_most_a_tenth_of_a_second(
    guarded: Callable[..., Guarded], courtesy: float, least: float
) -> None:
    guard, elector, asked = _asked_to_stop(guarded, courtesy)
    elector.expect("gone")
    told = float(guard.said().split()[-1])
    assert least <= told - asked < least + 2.0
    elector.exit(0)
    assert guard.wait() == 0


def test_the_electors_word_ends_the_moment(
    guarded: Callable[..., Guarded],
) -> None:
    guard, elector = _spoken_within_the_moment(guarded)
    elector.expect("gone")
    said = "workload stopping (the label is gone): SIGKILL in 25.00 s"
    assert said in guard.logged()  # what, why, and the time that is left
    elector.exit(0)
    assert guard.wait() == 0


def _spoken_within_the_moment(
    guarded: Callable[..., Guarded],
) -> tuple[Guarded, ScriptedElector]:
    """
    Have an elector speak a tenth of a second after the signal at the latest.

    On a busy machine the test itself may be later than that: with another guard again.
    """
    while True:
        guard, elector, asked = _asked_to_stop(guarded, 0.1)
        elector.expect("stopping")
        elector.stop(why="the label is gone", budget=25.0)
        if boot_time() < asked + 0.1:
            return guard, elector
        guard.finish(elector)


def _asked_to_stop(
    guarded: Callable[..., Guarded], courtesy: float
) -> tuple[Guarded, ScriptedElector, float]:
    """
    Send a guard SIGTERM whose workload runs; return when, too.
    """
    guard = guarded(TELL, config={"stop_courtesy": courtesy})
    elector = guard.meet()
    elector.start()
    guard.await_said("ready")
    asked = boot_time()
    guard.send(signal.SIGTERM)
    return guard, elector, asked
