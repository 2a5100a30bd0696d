"""
The workload starts as if the kernel had started it: nothing of ours in it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.guard.harness import LONG, as_numeric_user, as_pid_1

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.guard.harness import Guarded

EXIT = (*LONG, "--on-exit", "exit")


def test_the_terms_facts_are_there_and_stale_ones_and_our_settings_are_not(
    guarded: Callable[..., Guarded],
) -> None:
    inherited = {
        "LEADER_IDENTITY": "stale",
        "LEADER_TERM": "stale",
        "LEADER_STATUS_URL": "stale",
        "K8S_LEADER_LEASE": "a setting",
        "K8S_LEADER_NO_SUCH": "a setting of another version",
        "K8S_LEADER_SERVICE_HOST": "10.0.0.1",  # a Service called k8s-leader
        "K8S_LEADER_PORT_80_TCP": "tcp://10.0.0.1:80",
        "HTTP_PROXY": "http://of.the.workload",
        "LEADER": "the workload's own",
    }
    guard = guarded(["env"], flags=EXIT, environ=inherited)
    elector = guard.meet()
    elector.start(env={"LEADER_FENCING_TOKEN": "7", "LEADER_IDENTITY": "me"})
    assert guard.finish(elector) == 0
    got = dict(line.split("=", 1) for line in guard.said().splitlines())
    ours = {k: v for k, v in got.items() if k.startswith(("LEADER", "K8S_", "HTTP_"))}
    assert ours == {
        "LEADER_FENCING_TOKEN": "7",
        "LEADER_IDENTITY": "me",
        "K8S_LEADER_SERVICE_HOST": "10.0.0.1",
        "K8S_LEADER_PORT_80_TCP": "tcp://10.0.0.1:80",
        "HTTP_PROXY": "http://of.the.workload",
        "LEADER": "the workload's own",
    }
    assert got["PATH"] == os.environ["PATH"]


def test_a_term_may_not_smuggle_a_setting_or_an_impossible_variable_in(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["env"], flags=EXIT)
    elector = guard.meet()
    elector.start(env={"A=B": "1"})
    assert guard.finish(elector) == 126
    assert "environment" in guard.logged()


def test_a_descriptor_that_the_guard_was_given_is_handed_on_and_none_of_ours(
    guarded: Callable[..., Guarded], tmp_path: Path
) -> None:
    guard = guarded(
        ["sh", "-c", "ls /proc/$$/fd; echo written >&9"],
        flags=EXIT,
        prefix=["sh", "-c", f'exec 9>{tmp_path}/given; exec "$@"', "sh"],
    )
    assert guard.finish(guard.lead()) == 0
    assert lines(guard) == ["0", "1", "2", "9"]
    assert (tmp_path / "given").read_text() == "written\n"


@pytest.mark.parametrize("where", ["plain process", "PID 1", "numeric user"])
def test_exactly_the_three_standard_descriptors_are_open(
    guarded: Callable[..., Guarded], where: str
) -> None:
    place = {"PID 1": {"prefix": as_pid_1()}, "numeric user": as_numeric_user()}
    code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"
    options = place.get(where, {})
    python = options.get("python", sys.executable)
    guard = guarded([python, "-I", "-S", "-c", code], flags=EXIT, **options)
    assert guard.finish(guard.lead()) == 0
    assert guard.said() == "[0, 1, 2]\n"


def test_stdin_stdout_and_stderr_are_untouched_in_a_pipeline(
    guarded: Callable[..., Guarded],
) -> None:
    reading, writing = os.pipe()
    guard = guarded(["sh", "-c", "tr a-z A-Z; echo bad >&2"], flags=EXIT, stdin=reading)
    os.close(reading)
    os.write(writing, b"through the pipe")
    elector = guard.lead()
    os.close(writing)  # the workload reads to the end: nobody else holds it
    assert guard.finish(elector) == 0
    assert guard.said() == "THROUGH THE PIPE"
    assert "bad\n" in guard.logged()


def test_a_writer_into_a_closed_pipe_gets_sigpipe_as_in_any_shell(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["bash", "-c", "yes | head -1; exit ${PIPESTATUS[0]}"], flags=EXIT)
    assert guard.finish(guard.lead()) == 128 + signal.SIGPIPE
    assert guard.said() == "y\n"


_DEFAULTS = (
    "import ctypes, os, platform, signal, sys; "
    "number = {'x86_64': 13, 'aarch64': 134}[platform.machine()]; "
    "[ctypes.CDLL(None).syscall(number, n, bytes(32), None, 8) for n in (32, 33)]; "
)
"""
Undoes what glibc's posix_spawn left: make starts its commands with the two signals
that the C library keeps for itself ignored, and no sigaction() takes that back.
"""


@pytest.mark.parametrize("where", ["plain process", "PID 1"])
def test_mask_and_dispositions_of_signals_are_the_kernels(
    guarded: Callable[..., Guarded], where: str
) -> None:
    """
    Also when the guard itself was started with signals blocked, as `run` does.
    """
    block = _DEFAULTS + "signal.pthread_sigmask(0, signal.valid_signals()); "
    block += "os.execvp(sys.argv[1], sys.argv[1:])"
    prefix = as_pid_1() if where == "PID 1" else []
    guard = guarded(
        ["cat", "/proc/self/status"],
        flags=EXIT,
        prefix=[*prefix, sys.executable, "-I", "-c", block],
    )
    assert guard.finish(guard.lead()) == 0
    status = dict(line.split(":\t", 1) for line in lines(guard))
    for name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"):
        assert int(status[name], 16) == 0, name


def test_limits_umask_niceness_and_directory_are_inherited(
    guarded: Callable[..., Guarded], tmp_path: Path
) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 7
    shell = f'umask 027; ulimit -n {limit}; cd {tmp_path}; exec nice -n 3 "$@"'
    guard = guarded(
        ["sh", "-c", "umask; ulimit -n; pwd; nice"],
        flags=EXIT,
        prefix=["sh", "-c", shell, "sh"],
    )
    assert guard.finish(guard.lead()) == 0
    assert lines(guard) == ["0027", str(limit), str(tmp_path), "3"]


def test_the_workload_leads_a_session_of_its_own_and_its_parent_is_the_guard(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["sh", "-c", "cat /proc/$$/stat"], flags=EXIT)
    assert guard.finish(guard.lead()) == 0
    pid, rest = guard.said().split(" ", 1)
    _state, parent, group, session = rest.rpartition(")")[2].split()[:4]
    assert (group, session, parent) == (pid, pid, str(guard.pid))


def test_the_workload_does_not_outlive_a_guard_that_is_killed(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["sleep", "1000"])
    guard.lead()
    guard.send(signal.SIGKILL)
    assert guard.wait() == 137
    guard.await_no_survivors()


def test_the_termination_log_names_the_identity_first_and_the_reason_last(
    guarded: Callable[..., Guarded], tmp_path: Path
) -> None:
    log = tmp_path / "termination-log"
    log.write_text("stale and much longer than what is written now" * 9)
    guard = guarded(["sh", "-c", "exit 3"], flags=(*EXIT, "--termination-log", log))
    elector = guard.lead()
    assert log.read_text().splitlines()[0] == elector.hello["identity"]
    assert guard.finish(elector) == 3
    first, *_, last = log.read_text().splitlines()
    assert (first, last) == (elector.hello["identity"], "exit 3")


def lines(guard: Guarded) -> list[str]:
    return guard.said().splitlines()
