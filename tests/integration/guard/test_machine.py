"""
What a machine does to a guard: clocks that jump, freezers, no memory, no processor.

No fakes: the wall clock of these processes jumps, the kernel's freezer freezes guard
and workload together, its memory limit kills, its quota starves.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import Candidate, Journal, wait_until
from tests.helpers.control_groups import control_group
from tests.helpers.scripted_elector import boot_time
from tests.helpers.wall_clock import JumpingClock
from tests.integration.guard.harness import MILD, SHORT, as_pid_1
from tests.integration.guard.test_freezes import DELTA, WRITE, last_write, lead, writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline
    from tests.integration.guard.harness import Guarded

pytestmark = pytest.mark.slow


@pytest.fixture
def clock(tmp_path: Path) -> JumpingClock:
    return JumpingClock(tmp_path)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_s1_a_jump_of_the_wall_clock_freezes_the_workload_until_a_renewal(
    guarded: Callable[..., Guarded], clock: JumpingClock, seconds: int
) -> None:
    guard = guarded(WRITE, environ=clock.environ)
    elector, _ = lead(guard)
    jumped_at = boot_time()
    clock.jump(seconds)
    assert elector.expect("doubt")["token"] == 7
    frozen = len(writes(guard))
    assert (
        last_write(guard) < jumped_at + DELTA + 1.0
    )  # half a second, and a busy machine
    elector.pause(0.5)
    assert len(writes(guard)) == frozen
    elector.extend()
    wait_until(lambda: len(writes(guard)) > frozen, why="it goes on")
    elector.stop()
    assert guard.finish(elector) == 137


def test_s1_a_doubt_that_no_renewal_lifts_ends_in_a_kill_without_a_write(
    guarded: Callable[..., Guarded], clock: JumpingClock
) -> None:
    guard = guarded(WRITE, flags=MILD, environ=clock.environ)
    elector, until = lead(guard)
    clock.jump(3600)
    elector.expect("doubt")
    frozen = len(writes(guard))
    assert elector.expect("gone")["now"] < until
    assert len(writes(guard)) == frozen
    elector.exit(0)
    assert guard.wait() == 137


def test_s1_the_real_elector_confirms_and_the_workload_goes_on(
    clock: JumpingClock, tmp_path: Path, lifeline: Lifeline
) -> None:
    journal = Journal(tmp_path / "journal")
    lease = f"sqlite:{tmp_path}/lease.db"
    environ = clock.environ
    with Candidate(lease, journal, name="a", lifeline=lifeline, environ=environ) as a:
        wait_until(journal.tokens)
        clock.jump(3600)
        wait_until(lambda: "the wall clock jumped by +3600" in a.text())
        wait_until(lambda: "the workload goes on" in a.text())
        beats = len(journal.entries())
        wait_until(lambda: len(journal.entries()) > beats)
        assert a.stop() == 0
    assert journal.tokens() == [1]


# -- frozen together -----------------------------------------------------------------

FENCED = """
import os, signal, socket, sys, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
line.connect(sys.argv[1])
token = os.environ["LEADER_FENCING_TOKEN"]
while True:
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    line.send(f"{token} {now:.6f}".encode())
    time.sleep(0.005)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """
    When its sender looked at the clock, and when it came.
    """

    token: int
    at: float
    came_at: float


class Sink:
    """
    A resource that checks fencing tokens: it refuses a lower one than it has seen.
    """

    def __init__(self, path: Path) -> None:
        self.accepted: list[Packet] = []
        self.refused: list[Packet] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        highest = 0
        while packet := self._socket.recv(100):
            came_at = boot_time()
            token, at = packet.split()
            highest = max(highest, int(token))
            judged = self.accepted if int(token) == highest else self.refused
            judged.append(Packet(token=int(token), at=float(at), came_at=came_at))

    def close(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(path))
        self._thread.join()
        self._socket.close()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    made = Sink(tmp_path / "sink")
    yield made
    made.close(tmp_path / "sink")


@pytest.mark.parametrize("place", ["plain process", "PID 1"])
def test_what_is_frozen_with_its_guard_is_fenced_and_stopped_within_delta_of_the_thaw(
    guarded: Callable[..., Guarded], sink: Sink, tmp_path: Path, place: str
) -> None:
    """
    The stated exception to "never two": nobody could stop it while it was frozen.
    """
    command = [sys.executable, "-I", "-S", "-c", FENCED, str(tmp_path / "sink")]
    with control_group("freezer") as group:
        inside = as_pid_1() if place == "PID 1" else []
        old = guarded(command, flags=SHORT, prefix=[*group.prefix, *inside])
        elector = old.meet()
        elector.answers = False
        until = elector.start()["until"]
        wait_until(lambda: sink.accepted, why="the older term writes")
        group.freeze()
        frozen_at = boot_time()
        elector.pause(until - frozen_at + 0.2)
        new = guarded(command)
        successor = new.lead(token=8)
        wait_until(lambda: sink.accepted[-1].token == 8, why="the newer term writes")
        thawed_at = boot_time()
        group.thaw()
        assert old.wait() == 137
        old.await_no_survivors()
        successor.stop(token=8)
        assert new.finish(successor) == 137
    older = [each for each in sink.accepted + sink.refused if each.token == 7]
    late = [each.at for each in older if each.at > frozen_at]
    assert all(thawed_at <= at < thawed_at + DELTA for at in late)
    # The first may have been frozen between its look at the clock and its way.
    assert sink.refused == [each for each in older if each.came_at >= thawed_at]
    tokens = [each.token for each in sink.accepted]
    assert tokens == sorted(tokens)


# -- no memory, no processor -----------------------------------------------------------

GREEDY = "import time; x = [b'x' * 2**20 for _ in range(2000)]; time.sleep(600)"


def test_a_workload_that_is_out_of_memory_is_killed_alone_and_reported(
    guarded: Callable[..., Guarded],
) -> None:
    with control_group("memory") as group:
        group.limit_memory(150 * 2**20)
        command = [sys.executable, "-I", "-S", "-c", GREEDY]
        guard = guarded(command, prefix=group.prefix)
        elector = guard.lead()
        assert elector.expect("gone", timeout=60)["code"] == 128 + signal.SIGKILL
        elector.exit(0)
        assert guard.wait() == 137


def test_a_guard_with_a_tenth_of_a_processor_keeps_its_deadlines(
    guarded: Callable[..., Guarded],
) -> None:
    with control_group("cpu") as group:
        guard = guarded(WRITE, flags=MILD, prefix=group.prefix)
        elector, until = lead(guard)
        group.limit_cpu(0.1)
        assert elector.expect("gone")["now"] < until
        assert last_write(guard) < until
        elector.exit(0)
        assert guard.wait() == 137
