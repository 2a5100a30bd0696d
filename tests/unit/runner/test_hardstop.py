"""
Which hard stop a process gets, and how candidates share the weaker one.

That either really ends a process is tested on processes: tests/integration/library.
"""

from __future__ import annotations

import faulthandler
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from k8s_leader.guard import linux
from k8s_leader.runner.hardstop import WatchdogThread, hard_stop
from k8s_leader.testing.clock import FakeClock


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """
    What the process's only timer was set to, in seconds; ``None``: off.
    """
    noted: list[float | None] = []

    def set_to(seconds: float, **options: Any) -> None:
        assert options["exit"]
        assert Path(f"/proc/self/fd/{options['file']}").readlink() == Path(os.devnull)
        noted.append(seconds)

    def cancel() -> None:
        noted.append(None)

    monkeypatch.setattr(faulthandler, "dump_traceback_later", set_to)
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", cancel)
    return noted


def test_candidates_of_one_process_share_a_timer_set_to_the_earliest_end(
    settings: list[float | None],
) -> None:
    clock = FakeClock(now=1000.0)
    one, other = WatchdogThread(clock=clock), WatchdogThread(clock=clock)
    one.arm(1010.0)
    other.arm(1005.0)
    one.arm(1013.0)
    other.disarm()
    one.disarm()
    one.disarm()
    assert settings == [10.0, 5.0, 5.0, 13.0, None, None]


def test_an_end_that_is_past_already_strikes_at_once(
    settings: list[float | None],
) -> None:
    watchdog = WatchdogThread(clock=FakeClock(now=1000.0))
    watchdog.arm(990.0)
    assert settings == [0.001]
    watchdog.disarm()


def test_pid_1_gets_the_weaker_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert isinstance(hard_stop(), WatchdogThread)


def test_a_kernel_without_such_timers_gets_the_weaker_one_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(linux.KernelTimer, "__init__", refuse)
    with caplog.at_level(logging.WARNING):
        assert isinstance(hard_stop(clock=FakeClock()), WatchdogThread)
    assert "Function not implemented" in caplog.text
