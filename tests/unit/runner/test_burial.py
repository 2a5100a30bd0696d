"""
The elector ends what a dead or silent guard leaves running.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from k8s_leader.clock import SystemClock
from k8s_leader.election.grant import Grant
from k8s_leader.guard.cgroup import make_cgroup
from k8s_leader.guard.descent import state
from k8s_leader.runner import burial
from k8s_leader.runner.burial import GuardWatch, bury

_ORPHAN = """
import os, time
os.setsid()
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
time.sleep(600)
"""


def _orphan(**environ: str) -> int:
    """
    Start a process that has left its parent, its session and its group.
    """
    done = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _ORPHAN],
        stdout=subprocess.PIPE,
        env=environ,
        text=True,
    )
    assert done.stdout is not None
    with done.stdout:
        pid = int(done.stdout.readline())
    done.wait()
    return pid


async def test_what_a_dead_guard_left_is_found_by_the_identity_in_its_environment() -> (
    None
):
    ours, other = _orphan(LEADER_IDENTITY="a_1"), _orphan(LEADER_IDENTITY="a_12")
    try:
        await bury(identity="a_1", guard=-1, cgroup=None)
        assert state(ours) in ("", "Z")
        assert state(other) not in ("", "Z")
    finally:
        os.kill(other, 9)


async def test_a_cgroup_finds_also_what_wiped_its_environment() -> None:
    cgroup = make_cgroup(f"test-{os.getpid()}")
    if cgroup is None:
        pytest.skip("no writable cgroup here")
    pid = _orphan()
    Path(cgroup.path, "cgroup.procs").write_text(str(pid))
    await bury(identity="a_1", guard=-1, cgroup=cgroup.path)
    async with asyncio.timeout(10):
        while Path(cgroup.path).exists():  # it is removed once it is empty
            cgroup.remove()
            await asyncio.sleep(0.01)
    assert state(pid) in ("", "Z")


def test_what_descends_from_a_silent_guard_is_killed_but_not_the_elector() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", _SPAWN], check=False)
    assert done.returncode == 0


_SPAWN = f"""
import asyncio, os, subprocess, sys
sys.path[:] = {sys.path!r}
from k8s_leader.guard.descent import state
from k8s_leader.runner.burial import bury
workload = os.fork()
if workload == 0:
    import time; time.sleep(600)
elector = os.fork()
if elector == 0:
    asyncio.run(bury(identity="nobody", guard=os.getppid(), cgroup=None))
    os._exit(7)
assert os.waitpid(workload, 0)[1] == 9
assert os.waitstatus_to_exitcode(os.waitpid(elector, 0)[1]) == 7
"""


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        (b"python\0-I\0-S\0/x/k8s_leader/guard/__main__.py\x005\0", True),
        (b"sh\0/x/k8s_leader/guard/__main__.py\0and\0more\0", False),
        (b"init\0", False),
        (None, False),
    ],
)
def test_s5_init_is_the_guard_only_if_its_command_line_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: bytes | None, is_one: bool
) -> None:
    """
    Below another init is everything that runs on the machine.
    """
    shown = tmp_path / "cmdline"
    if line is not None:
        shown.write_bytes(line)
    monkeypatch.setattr("builtins.open", lambda *_: shown.open("rb"))
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert burial._is_its_child(1) is is_one
    assert burial._is_its_child(2) is False


def test_processes_are_known_by_their_whole_environment() -> None:
    mark = str(uuid.uuid4())  # the whole machine is looked through
    ours = _orphan(MARK=mark)
    assert burial.marked(f"MARK={mark}".encode()) == [ours]
    assert burial.marked(f"MARK={mark[:-1]}".encode()) == []
    os.kill(ours, 9)


def test_kill_all_tells_who_lived_until_now() -> None:
    child = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "600")
    assert burial.kill_all([child, 2**22 + 1]) == [child]
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert state(child) == "Z"
    assert burial.kill_all([child]) == []
    os.waitpid(child, 0)


async def test_a_guard_that_goes_on_acknowledging_is_left_alone() -> None:
    clock, silent = SystemClock(), asyncio.Event()
    watch = GuardWatch(clock=clock, kill_time=0.02, on_silent=silent.set)
    now = clock.now()
    watch.acknowledged(Grant(token=1, sent=now, stop_at=now, until=now + 0.04))
    watch.acknowledged(Grant(token=1, sent=now, stop_at=now + 60, until=now + 90))
    watch.gone()
    watch.acknowledged(Grant(token=1, sent=now, stop_at=now + 0.05, until=now + 0.1))
    await silent.wait()
    assert now + 0.07 <= clock.now()
