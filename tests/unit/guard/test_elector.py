"""
The elector's socket when it is closed, full or of nobody.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

import pytest

from k8s_leader.guard import linux, watchdog
from k8s_leader.guard.elector import Elector
from k8s_leader.guard.tree import Tree
from k8s_leader.guard.watchdog import DeadMan

NEVER_READS = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(1000)"]


def made(argv: list[str] = NEVER_READS) -> Elector:
    return Elector(argv, config_fd=0, patience=5.0)


def bury(elector: Elector, *, now: float) -> None:
    elector.kill()
    assert elector.pid is not None
    os.waitpid(elector.pid, 0)
    elector.reaped(now=now)


def test_nothing_is_sent_to_received_from_or_killed_without_an_elector() -> None:
    elector = made()
    elector.send("hello")
    assert elector.receive(1.0) == []
    elector.kill()
    assert elector.watch(1.0) is False
    assert elector.look_at == 0.0


def test_s9_an_elector_that_does_not_read_is_not_waited_for() -> None:
    elector = made()
    elector.start(now=1.0, environ=dict(os.environ))
    for _ in range(5000):
        elector.send("ack", text="x" * 1000)
    bury(elector, now=2.0)
    assert elector.look_at == pytest.approx(2.1)


def test_an_elector_that_was_stable_is_started_again_soon() -> None:
    elector = made()
    for now in (0.0, 1.0, 2.0):
        elector.start(now=now, environ=dict(os.environ))
        bury(elector, now=now + 0.5)
    assert elector.look_at == pytest.approx(2.5 + 0.4)
    elector.start(now=3.0, environ=dict(os.environ))
    bury(elector, now=100.0)
    assert elector.look_at == pytest.approx(100.1)


def test_an_elector_is_hung_when_it_was_asked_and_said_nothing() -> None:
    elector = made()
    elector.start(now=0.0, environ=dict(os.environ))
    now = 0.0
    while now < 29.0:  # it may need this long to start on a busy machine
        assert not elector.watch(now)
        now = elector.look_at
    while not elector.watch(now):
        now = elector.look_at
    assert now == pytest.approx(30.0)
    bury(elector, now=now)


def test_a_guard_that_slept_does_not_blame_its_elector() -> None:
    elector = made()
    elector.start(now=0.0, environ=dict(os.environ))
    assert not elector.watch(0.0)
    now = 3600.0
    assert not elector.watch(now)
    while not elector.watch(now):
        now = elector.look_at
    assert now == pytest.approx(3600 + 0.45 * 5)
    bury(elector, now=now)


def test_a_fork_that_fails_leaves_no_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", none)
    elector = made()
    with pytest.raises(BlockingIOError):
        elector.start(now=0.0, environ=dict(os.environ))
    assert elector.end is None


def test_a_fork_that_fails_leaves_no_signal_blocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", none)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(BlockingIOError):
        Tree(spare=lambda: None).start(["true"], {}, stop_at=0.0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_c_library_before_2_34_has_its_timers_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str | None] = []

    def library(name: str | None, **_: object) -> object:
        opened.append(name)
        return object()

    monkeypatch.setattr(linux, "_libc", object())
    monkeypatch.setattr(ctypes, "CDLL", library)
    linux._library()
    assert opened == ["librt.so.1"]


def test_without_a_kernel_timer_the_guard_is_not_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> None:
        raise OSError

    monkeypatch.setattr(watchdog, "KernelTimer", none)
    dead_man = DeadMan()
    dead_man.hold(kill_at=1.0, until=2.0, now=0.0)
    dead_man.release()


def test_the_kernels_timer_is_moved_on_and_taken_back() -> None:
    """
    In a process of its own: it would kill this one.
    """
    code = (
        "import time; from k8s_leader.guard.watchdog import DeadMan;"
        "d = DeadMan(); now = time.clock_gettime(time.CLOCK_BOOTTIME);"
        "d.hold(kill_at=now + 0.1, until=now + 0.2, now=now); d.release();"
        "time.sleep(0.3); print('released', flush=True);"
        "d.hold(kill_at=now + 60, until=now + 70, now=now);"
        "d.hold(kill_at=now + 0.4, until=now + 0.5, now=now); time.sleep(100)"
    )
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, timeout=30, check=False, stdout=subprocess.PIPE)
    assert done.stdout == b"released\n"
    assert done.returncode == -signal.SIGKILL
