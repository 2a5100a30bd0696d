"""
Signals at every moment: forwarded, mapped, obeyed, escalated, and none lost.
"""

from __future__ import annotations

import os
import pty
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import wait_until
from tests.helpers.scripted_elector import boot_time
from tests.integration.guard.harness import LONG, as_pid_1

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.guard.harness import Guarded

STOPS = [signal.SIGTERM, signal.SIGINT]
FORWARDED = ["HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT"]
OTHERS = ["ALRM", "VTALRM", "PROF", "IO", "PWR", "URG", "STKFLT", "RTMIN", "RTMAX"]
PLACES = {"plain process": [], "PID 1": as_pid_1()}

# Tells which signals it got, children of its own included; ends on none of them.
LISTENER = """
import os, signal
skip = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
def tell(number, frame):
    os.write(1, f"got {names[number]}\\n".encode())
names = {n: signal.Signals(n).name[3:] if n in set(signal.Signals) else str(n)
         for n in signal.valid_signals() - skip}
for number in names:
    signal.signal(number, tell)
os.write(1, b"up\\n")
while True:
    signal.pause()
"""
STUBBORN = ["sh", "-c", "trap 'echo told' TERM; echo up; while :; do sleep 0.02; done"]


LISTEN = [sys.executable, "-I", "-S", "-c", LISTENER]


@pytest.mark.parametrize("where", PLACES)
def test_what_is_not_a_stop_reaches_the_workload_as_itself(
    guarded: Callable[..., Guarded], where: str
) -> None:
    guard = guarded(LISTEN, prefix=PLACES[where])
    elector = guard.lead()
    guard.await_said("up")
    for name in FORWARDED + OTHERS:
        guard.send(getattr(signal, f"SIG{name}"))
        guard.await_said(f"got {name}\n", timeout=5)
    elector.stop()
    assert guard.finish(elector) == 137


def test_a_workload_that_is_stopping_is_still_told_everything(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(LISTEN)
    elector = guard.lead()
    guard.await_said("up")
    guard.send(signal.SIGTERM)
    guard.await_said("got TERM\n")
    for name in ("HUP", "USR1", "USR2", "QUIT", "WINCH"):
        guard.send(getattr(signal, f"SIG{name}"))
        guard.await_said(f"got {name}\n", timeout=5)
    guard.send(signal.SIGINT)  # the second stop
    assert guard.finish(elector) == 137


def test_signals_on_standby_that_are_not_a_stop_end_nothing(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["sh", "-c", "echo up; exec sleep 1000"])
    elector = guard.meet()
    for name in FORWARDED + OTHERS:
        guard.send(getattr(signal, f"SIG{name}"))
    for _ in range(2):  # after two turns it has heard them all
        elector.start(token=0)
        elector.expect("refused")
    elector.start()
    elector.expect("started")
    guard.await_said("up")
    guard.send(signal.SIGTERM)
    assert guard.finish(elector) == 143


def test_signal_map_replaces_and_drops_signals(
    guarded: Callable[..., Guarded],
) -> None:
    flags = (*LONG, "--signal-map", "HUP=USR1,WINCH=none")
    guard = guarded(LISTEN, flags=flags)
    elector = guard.lead()
    guard.await_said("up")
    for number in (signal.SIGWINCH, signal.SIGHUP, signal.SIGUSR2):
        guard.send(number)
        elector.pause(0.05)
    guard.await_said("got USR2")
    assert guard.said() == "up\ngot USR1\ngot USR2\n"
    elector.stop()
    assert guard.finish(elector) == 137


@pytest.mark.parametrize("name", ["INT", "QUIT", "USR1"])
def test_stop_signal_is_what_the_workload_gets_at_a_stop(
    guarded: Callable[..., Guarded], name: str
) -> None:
    command = [
        "sh",
        "-c",
        f"trap 'exit 9' {name}; echo up; while :; do sleep 0.02; done",
    ]
    guard = guarded(command, flags=(*LONG, "--stop-signal", name))
    elector = guard.lead()
    guard.await_said("up")
    guard.send(signal.SIGTERM)
    assert guard.finish(elector) == 9


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("number", STOPS)
def test_s4_a_stop_is_told_to_workload_and_elector_and_the_whole_group_gets_it(
    guarded: Callable[..., Guarded], number: signal.Signals, where: str
) -> None:
    child = (
        "(trap 'echo child told; exit' TERM; echo up; while :; do sleep 0.02; done)&"
    )
    # First its own trap: its child, which says that both are up, has not inherited it.
    command = ["sh", "-c", f"trap 'wait; exit 7' TERM; {child} while :; do wait; done"]
    guard = guarded(command, prefix=PLACES[where])
    elector = guard.lead()
    guard.await_said("up")
    guard.send(number)
    assert elector.expect("stopping") == {
        "type": "stopping",
        "why": number.name,
        "escalated": False,
    }
    assert guard.finish(elector) == 7
    assert "child told" in guard.said()


def test_s4_a_workload_that_does_not_stop_is_killed_after_the_stop_timeout(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(STUBBORN, flags=("--lease-duration", "60s", "--stop-timeout", "1s"))
    elector = guard.lead()
    guard.await_said("up")
    asked = boot_time()
    guard.send(signal.SIGTERM)
    assert asked + 1 <= elector.expect("gone")["now"] < asked + 2
    elector.exit(0)
    assert guard.wait() == 137
    assert "told" in guard.said()


@pytest.mark.parametrize("second", STOPS)
def test_a_second_stop_escalates_to_a_kill(
    guarded: Callable[..., Guarded], second: signal.Signals
) -> None:
    guard = guarded(STUBBORN)
    elector = guard.lead()
    guard.await_said("up")
    guard.send(signal.SIGTERM)
    guard.await_said("told")
    guard.send(second)
    elector.expect("stopping")
    assert elector.expect("stopping")["escalated"] is True
    assert guard.finish(elector) == 137


@pytest.mark.parametrize("number", STOPS)
def test_standby_ends_at_once_with_0_when_stopped(
    guarded: Callable[..., Guarded], number: signal.Signals
) -> None:
    """
    It did what it was there for; nothing of the workload's ended with a signal.
    """
    guard = guarded(["true"])
    elector = guard.meet()
    guard.send(number)
    elector.expect("stopping")
    elector.exit(0)
    assert guard.wait(timeout=5) == 0


def test_a_stop_while_no_elector_runs_ends_a_standby_at_once(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["true"])
    for _ in range(6):
        guard.meet().kill()
    guard.await_logged("started again")
    wait_until(lambda: guard.logged().count("started again") == 6)
    guard.send(signal.SIGTERM)  # the next one would come in 3.2 s
    assert guard.wait(timeout=5) == 0


@pytest.mark.parametrize("where", PLACES)
def test_a_stop_that_comes_before_the_guard_can_hear_is_not_lost(
    guarded: Callable[..., Guarded], where: str
) -> None:
    """
    `k8s-leader run` blocks all signals, and what came stays pending over its exec.
    """
    block = (
        "import os, signal, sys; signal.pthread_sigmask(0, signal.valid_signals()); "
    )
    block += "os.kill(os.getpid(), 15); os.execvp(sys.argv[1], sys.argv[1:])"
    guard = guarded(["true"], prefix=[*PLACES[where], "python3", "-c", block])
    elector = guard.meet()
    assert elector.hello["stopping"] is False
    elector.expect("stopping")
    elector.exit(0)
    assert guard.wait() == 0


def test_no_signal_is_lost_between_fork_and_exec_in_200_terms(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["sleep", "1000"])
    elector = guard.meet()
    for token in range(1, 201):
        elector.start(token=token)
        elector.expect("started")
        guard.send(signal.SIGUSR1)  # ends what has no handler
        gone = elector.expect("gone")
        assert (gone["token"], gone["code"]) == (token, 128 + signal.SIGUSR1)
    elector.exit(0)
    assert guard.wait() == 128 + signal.SIGUSR1


def test_a_stop_at_the_very_start_of_the_workload_is_obeyed_200_times(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["sleep", "1000"])
    elector = guard.meet()
    for token in range(1, 201):
        elector.start(token=token)
        elector.stop(token=token, budget=20.0)
        gone = elector.expect("gone")
        assert (gone["token"], gone["code"]) == (token, 143)
    elector.exit(0)
    assert guard.wait() == 143


def test_a_storm_of_signals_does_not_hide_the_stop(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["sh", "-c", "trap '' USR1; echo up; exec sleep 1000"])
    elector = guard.lead()
    guard.await_said("up")
    for _ in range(20_000):
        guard.send(signal.SIGUSR1)
    guard.send(signal.SIGTERM)
    assert guard.finish(elector) == 143


def test_a_stopped_workload_can_stop_too(guarded: Callable[..., Guarded]) -> None:
    guard = guarded(["sh", "-c", "trap 'exit 7' TERM; echo up; kill -STOP $$"])
    elector = guard.lead()
    guard.await_said("up")
    guard.send(signal.SIGTERM)
    assert guard.finish(elector) == 7


def test_no_job_control_signal_stops_a_guard(guarded: Callable[..., Guarded]) -> None:
    """
    One that is stopped enforces nothing.
    """
    guard = guarded(["sleep", "1000"])
    elector = guard.lead()
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        guard.send(number)
    guard.send(signal.SIGTERM)
    assert guard.finish(elector) == 143


def _on_terminal(guarded: Callable[..., Guarded], script: str) -> tuple[Guarded, int]:
    """
    Start a guard whose controlling terminal is ours; return it and our end.
    """
    ours, theirs = pty.openpty()
    terminal = {"stdin": theirs, "stdout": theirs}
    guard = guarded(["sh", "-c", script], prefix=["setsid", "--ctty"], **terminal)
    os.close(theirs)
    return guard, ours


def test_an_interactive_program_on_a_terminal_works(
    guarded: Callable[..., Guarded],
) -> None:
    script = 'echo "name?"; while read name; do echo "hello $name"; done; exit 6'
    guard, ours = _on_terminal(guarded, script)
    elector = guard.lead()
    read_until(ours, b"name?")
    os.write(ours, b"you\n")
    read_until(ours, b"hello you")
    os.write(ours, b"\x04")  # end of file
    assert guard.finish(elector) == 6
    os.close(ours)


def test_ctrl_c_at_the_terminal_ends_the_program_and_leaves_nothing(
    guarded: Callable[..., Guarded],
) -> None:
    guard, ours = _on_terminal(guarded, "echo up; exec cat")
    elector = guard.lead()
    read_until(ours, b"up")
    os.write(ours, b"\x03")
    assert guard.finish(elector) in {130, 143}
    os.close(ours)


def test_a_terminal_that_is_hung_up_ends_the_program(
    guarded: Callable[..., Guarded],
) -> None:
    guard, ours = _on_terminal(guarded, "echo up; exec sleep 1000")
    elector = guard.lead()
    read_until(ours, b"up")
    os.close(ours)
    assert guard.finish(elector) == 128 + signal.SIGHUP


def test_a_terminal_of_another_session_is_a_plain_file(
    guarded: Callable[..., Guarded],
) -> None:
    ours, theirs = pty.openpty()
    guard = guarded(["head", "-1"], stdin=theirs, start_new_session=True)
    os.close(theirs)
    elector = guard.lead()
    os.write(ours, b"a line\n")
    assert guard.finish(elector) == 0
    assert guard.said() == "a line\n"
    os.close(ours)


def read_until(fd: int, wanted: bytes) -> None:
    """
    Read from a terminal until something was shown.
    """
    seen = b""
    while wanted not in seen:
        seen += os.read(fd, 4096)
