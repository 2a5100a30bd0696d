"""
Whoever is frozen, the workload's own writes end before its grant does.

The workload writes down the time every few milliseconds and ignores every signal that
can be ignored: only its death ends its writes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import wait_until
from tests.helpers.scripted_elector import boot_time
from tests.integration.guard.harness import MILD, SHORT, as_pid_1
from tests.integration.guard.unreaped import LET_ME_BE_HELD, Unreaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.scripted_elector import ScriptedElector
    from tests.integration.guard.harness import Guarded

WRITER = """
import os, signal, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    os.write(1, b"%.6f\\n" % time.clock_gettime(time.CLOCK_BOOTTIME))
    time.sleep(0.005)
"""
WRITE = [sys.executable, "-I", "-S", "-c", WRITER]
DELTA = 1.0


def test_s9_a_frozen_elector(guarded: Callable[..., Guarded]) -> None:
    guard = guarded(WRITE, flags=MILD)
    elector, until = lead(guard)
    elector.answers = False
    os.kill(elector.pid, signal.SIGSTOP)
    guard.await_logged("every process of it is reaped")
    assert last_write(guard) < until
    guard.meet().exit(0)  # the next elector: the frozen one was killed
    assert guard.wait() == 137


def test_s9_electors_that_are_killed_one_after_the_other(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(WRITE, flags=MILD)
    elector, until = lead(guard)
    while "every process of it is reaped" not in guard.logged():
        elector.kill()
        elector = guard.meet()
    assert last_write(guard) < until
    elector.exit(0)
    assert guard.wait() == 137


def test_s10_a_frozen_guard_is_killed_by_the_kernel_and_its_workload_with_it(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(WRITE, flags=SHORT)
    _, until = lead(guard)
    guard.send(signal.SIGSTOP)
    assert guard.wait() == 137
    guard.await_no_survivors()
    assert last_write(guard) < until


def test_s10_guard_elector_and_workload_frozen_at_once_never_come_back(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(WRITE, flags=SHORT)
    elector, until = lead(guard)
    elector.answers = False
    for pid in (elector.pid, guard.await_survivor(), guard.pid):
        os.kill(pid, signal.SIGSTOP)
    frozen_at = boot_time()
    assert guard.wait() == 137
    guard.await_no_survivors()
    os.kill(elector.pid, signal.SIGCONT)
    assert last_write(guard) < frozen_at + 0.1 < until


def test_a_frozen_workload_is_gone_before_its_grant_ends(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(WRITE, flags=MILD)
    elector, until = lead(guard)
    os.kill(guard.await_survivor(), signal.SIGSTOP)
    assert elector.expect("gone")["now"] < until
    elector.exit(0)
    assert guard.wait() == 137


def test_a_guard_that_was_frozen_for_a_while_goes_on_as_if_nothing_was(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(WRITE, flags=("--lease-duration", "8s"))
    elector, _ = lead(guard)
    guard.send(signal.SIGSTOP)
    elector.extend()
    elector.pause(0.3)
    guard.send(signal.SIGCONT)
    elector.expect("ack")
    elector.stop()
    assert guard.finish(elector) == 137


def test_a_pid_1_frozen_with_all_its_processes_stops_within_delta_of_the_thaw(
    guarded: Callable[..., Guarded],
) -> None:
    """
    No kernel timer ends a PID 1: what is thawed writes until the guard looks.

    That is what the fencing token is for; asserted is how long it may take.
    """
    guard = guarded(WRITE, flags=SHORT, prefix=as_pid_1())
    elector, until = lead(guard)
    elector.answers = False
    pids = (elector.pid, guard.await_survivor(), guard.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    frozen_at = boot_time()
    elector.pause(until - boot_time() + 0.2)
    thawed_at = boot_time()
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    assert guard.wait() == 137
    late = [at for at in writes(guard) if at > frozen_at + 0.1]
    assert all(thawed_at <= at < thawed_at + DELTA for at in late)


def test_a_starved_guard_keeps_its_deadlines(guarded: Callable[..., Guarded]) -> None:
    spin = [sys.executable, "-I", "-S", "-c", "while True: pass"]
    spinners = [subprocess.Popen(spin) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        guard = guarded(WRITE, flags=MILD)
        elector, until = lead(guard)
        assert elector.expect("gone")["now"] < until
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()
    assert last_write(guard) < until
    elector.exit(0)
    assert guard.wait() == 137


HOLDABLE = [sys.executable, "-I", "-S", "-c", LET_ME_BE_HELD + WRITER]


def test_s5_a_process_that_cannot_be_killed_is_reported_and_never_called_gone(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(HOLDABLE, flags=SHORT)
    elector, _ = lead(guard)
    pid = guard.await_survivor()
    with Unreaped(pid):
        elector.stop()
        assert elector.expect("stuck") == {"type": "stuck", "token": 7, "pids": [pid]}
        guard.await_logged("no release")
        elector.start(token=8)
        assert "not gone" in elector.expect("refused")["reason"]
        guard.send(signal.SIGTERM)
        elector.pause(0.5)
        assert guard.process.poll() is None
    assert elector.expect("gone")["token"] == 7
    elector.exit(0)
    assert guard.wait() == 137


def test_s5_pid_1_takes_down_its_namespace_with_what_cannot_be_killed(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(HOLDABLE, flags=SHORT, prefix=as_pid_1())
    elector, until = lead(guard)
    with Unreaped(guard.await_survivor()):
        elector.stop()
        elector.expect("stuck")
        elector.await_end()
        assert boot_time() >= until
    assert guard.wait() == 137
    assert "every process of it is reaped" not in guard.logged()


@pytest.mark.parametrize("kind", ["elector", "guard"])
def test_what_is_frozen_on_standby_does_no_harm(
    guarded: Callable[..., Guarded], kind: str
) -> None:
    guard = guarded(WRITE, flags=("--lease-duration", "8s"))
    elector = guard.meet()
    pid = {"elector": elector.pid, "guard": guard.pid}[kind]
    os.kill(pid, signal.SIGSTOP)
    elector.pause(2.0)
    os.kill(pid, signal.SIGCONT)
    guard.send(signal.SIGTERM)
    elector.expect("stopping")
    elector.exit(0)
    assert guard.wait() == 0
    assert guard.said() == ""


def lead(guard: Guarded) -> tuple[ScriptedElector, float]:
    """
    Have the workload write; return the elector and the end of the grant.
    """
    elector = guard.meet()
    until: float = elector.start()["until"]
    elector.expect("started")
    wait_until(guard.said)
    return elector, until


def writes(guard: Guarded) -> list[float]:
    """
    Return when the workload wrote; a line that its death cut short does not count.
    """
    return [float(line) for line in guard.said().split("\n")[:-1]]


def last_write(guard: Guarded) -> float:
    return writes(guard)[-1]
