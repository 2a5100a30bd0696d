"""
Who guards the guard: which instant the kernel's timer is given.
"""

from __future__ import annotations

import os

import pytest

from k8s_leader.guard import watchdog
from k8s_leader.guard.watchdog import DeadMan, WallClock, last_call

NOW = 1000.0


class FakeTimer:
    """
    Keeps what the kernel would be told.
    """

    told: list[float]

    def __init__(self) -> None:
        type(self).told = []

    def arm(self, at: float) -> None:
        self.told.append(at)

    def disarm(self) -> None:
        self.told.append(0.0)


@pytest.fixture
def dead_man(monkeypatch: pytest.MonkeyPatch) -> DeadMan:
    monkeypatch.setattr(watchdog, "KernelTimer", FakeTimer)
    return DeadMan()


def test_s10_the_kernel_kills_between_the_guards_kill_and_the_grants_end(
    dead_man: DeadMan,
) -> None:
    dead_man.hold(kill_at=NOW + 12.0, until=NOW + 14.0, now=NOW)
    assert FakeTimer.told == [NOW + 13.0]
    assert last_call(kill_at=NOW + 12.0, until=NOW + 14.0) == NOW + 13.0
    # A grant that ended already: not a moment later than the guard's own kill.
    assert last_call(kill_at=NOW + 12.0, until=NOW) == NOW + 12.0


def test_s10_the_kernel_is_told_once_for_each_instant(dead_man: DeadMan) -> None:
    for _ in range(3):
        dead_man.hold(kill_at=NOW + 12.0, until=NOW + 14.0, now=NOW)
    dead_man.hold(kill_at=NOW + 13.0, until=NOW + 15.0, now=NOW + 1.0)
    assert FakeTimer.told == [NOW + 13.0, NOW + 14.0]


def test_s10_a_guard_that_kills_past_its_deadline_gets_a_breath_again_and_again(
    dead_man: DeadMan,
) -> None:
    for late in (0.0, 0.5, 5.0):
        dead_man.hold(kill_at=NOW, until=NOW + 1.0, now=NOW + late)
    assert FakeTimer.told == [NOW + 1.0, NOW + 1.5, NOW + 6.0]


def test_s10_without_a_workload_the_kernel_expects_nothing(dead_man: DeadMan) -> None:
    dead_man.release()
    assert FakeTimer.told == []  # it never expected anything
    dead_man.hold(kill_at=NOW + 12.0, until=NOW + 14.0, now=NOW)
    dead_man.release()
    assert FakeTimer.told == [NOW + 13.0, 0.0]


def test_s10_a_pid_1_has_no_timer_that_could_kill_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FakeTimer.told = []
    monkeypatch.setattr(watchdog, "KernelTimer", FakeTimer)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    dead_man = DeadMan()
    dead_man.hold(kill_at=NOW + 12.0, until=NOW + 14.0, now=NOW)
    dead_man.release()
    assert FakeTimer.told == []


@pytest.mark.parametrize("direction", [1, -1])
def test_s1_a_jump_is_what_is_more_than_the_tolerance_since_it_was_believed(
    direction: int,
) -> None:
    jumped = 0.0
    clock = WallClock(lambda: NOW, tolerance=1.25, wall=lambda: 5e8 + jumped)
    assert clock.look() == 0.0
    jumped = direction * 1.25
    assert clock.look() == 0.0
    assert clock.jumped_at < NOW
    jumped = direction * 1.5
    assert clock.look() == jumped
    assert clock.jumped_at == NOW
    assert clock.look() == 0.0
