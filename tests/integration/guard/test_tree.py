"""
Nothing of the workload outlives the report that it is gone, wherever the guard runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.candidate import wait_until
from tests.integration.guard import zoo
from tests.integration.guard.harness import as_numeric_user, as_pid_1

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.guard.harness import Guarded

ZOO = Path(zoo.__file__).read_text()
KINDS = [
    *("daemons", "deaf", "frozen", "threads"),
    *("sessions", "orphans"),
]
BOMBS = [
    # One at a time: two of them leave a small machine's guards no processor.
    pytest.param(kind, marks=pytest.mark.xdist_group("bombs"))
    for kind in ("bomb", "runners")
]
PLACES: dict[str, Callable[[], dict[str, Any]]] = {
    "plain process": dict,
    "PID 1": lambda: {"prefix": as_pid_1()},
    "numeric user": as_numeric_user,
    "PID 1 and numeric user": lambda: as_numeric_user(pid_1=True),
}


def animal(kind: str, place: dict[str, Any]) -> list[str]:
    return [place.get("python", sys.executable), "-I", "-S", "-c", ZOO, kind]


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("kind", [*KINDS, *BOMBS])
def test_s5_the_whole_tree_is_dead_before_it_is_called_gone(
    guarded: Callable[..., Guarded], kind: str, where: str
) -> None:
    place = PLACES[where]()
    guard = guarded(animal(kind, place), **place)
    elector = guard.lead()
    guard.await_said("up")
    spent = processor_time(guard.pid)
    elector.stop(budget=0.0)
    elector.expect("gone")
    # However long a busy machine makes it wait: what it does is worth less than that.
    assert processor_time(guard.pid) - spent < 2.0
    assert guard.survivors() == []
    elector.exit(0)
    assert guard.wait() == (4 if kind == "orphans" else 137)


@pytest.mark.parametrize("where", ["plain process", "PID 1"])
def test_orphans_that_end_during_a_term_are_reaped(
    guarded: Callable[..., Guarded], where: str
) -> None:
    breed = "for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.01 & sleep 0.02 &) ; done; "
    guard = guarded(["sh", "-c", breed + "echo up; exec sleep 1000"], **PLACES[where]())
    elector = guard.lead()
    guard.await_said("up")
    wait_until(lambda: len(children(guard.pid)) == 2, why="elector and workload only")
    assert "workload ended" not in guard.logged()
    guard.send(signal.SIGTERM)
    assert guard.finish(elector) == 143


def test_pid_1_reaps_what_others_leave_to_it_on_standby_too(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["true"], **PLACES["PID 1"]())
    elector = guard.meet()
    stray = "(sleep 0.01 & sleep 0.02 &) ; echo $$"
    enter = ["nsenter", "--target", str(guard.pid), "--pid", "--mount"]
    done = subprocess.run([*enter, "sh", "-c", stray], check=True, capture_output=True)
    assert int(done.stdout) > 2
    wait_until(lambda: children(guard.pid) == [elector.pid], why="only the elector")
    guard.send(signal.SIGTERM)
    elector.exit(0)
    assert guard.wait() == 0


def test_without_a_cgroup_descent_finds_all_and_the_log_says_what_is_missing(
    guarded: Callable[..., Guarded],
) -> None:
    hide = 'mount -t tmpfs none /sys/fs/cgroup; exec "$@"'
    hidden = ["unshare", "--mount", "sh", "-c", hide, "sh"]
    prefix = hidden if os.geteuid() == 0 else []  # others have none anyway
    guard = guarded(animal("daemons", {}), prefix=prefix)
    elector = guard.lead()
    guard.await_said("up")
    assert elector.hello["cgroup"] is None
    assert "best effort" in guard.logged()
    guard.send(signal.SIGTERM)
    assert elector.expect("gone")["code"] == 143
    assert guard.survivors() == []
    elector.exit(0)
    assert guard.wait() == 143


def test_what_a_command_leaves_behind_is_killed_when_it_ends(
    guarded: Callable[..., Guarded],
) -> None:
    """
    Where tini and dumb-init leave and let the kernel do it, or nobody.
    """
    guard = guarded(animal("orphans", {}))
    elector = guard.lead()
    assert elector.expect("gone")["code"] == 4
    assert guard.survivors() == []
    elector.exit(0)
    assert guard.wait() == 4


@pytest.mark.parametrize("where", ["plain process", "PID 1"])
def test_each_term_is_born_in_the_guards_cgroup_also_after_one_that_was_killed(
    guarded: Callable[..., Guarded], where: str
) -> None:
    """
    New kernels kill at birth what is started into a cgroup that was killed before.
    """
    guard = guarded(["sh", "-c", "echo up; exec sleep 1000"], **PLACES[where]())
    elector = guard.meet()
    if elector.hello["cgroup"] is None:
        pytest.skip("no cgroup can be made here")
    for token in (1, 2, 3, 4):
        elector.start(token=token)
        elector.expect("started")
        guard.await_said("up\n" * token)
        assert cgroup(guard.await_survivor()) == cgroup(guard.pid)
        elector.stop(token=token, budget=0.0)
        assert elector.expect("gone")["code"] == 137
    assert cgroup(elector.pid) != cgroup(guard.pid)
    elector.kill()
    following = guard.meet()  # it must outlive what it may have to bury
    assert cgroup(following.pid) == cgroup(os.getpid())
    following.exit(0)
    assert guard.wait() == 137
    assert not Path(elector.hello["cgroup"]).exists()


def cgroup(pid: int) -> str:
    """
    Return the cgroup of version 2 that a process is in.
    """
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next(line for line in lines if line.startswith("0::"))


def processor_time(pid: int) -> float:
    """
    Return the seconds that a process was on a processor.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """
    Return the children of a process, zombies included.
    """
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in listed.split()]
