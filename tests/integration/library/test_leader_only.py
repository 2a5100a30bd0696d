"""
The decorator for schedulers and commands: one candidacy that stands between calls.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import k8s_leader
from k8s_leader.leases.memory import MemoryLease, process_lease

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBERS = itertools.count()


@pytest.fixture
def lease() -> str:
    """
    A lease in memory that no other test uses.
    """
    return f"memory:leader-only-{next(_NUMBERS)}"


@pytest.fixture
def jobs(lease: str) -> Iterator[k8s_leader.LeaderOnly]:
    """
    A decorator whose candidacy ends with the test.
    """
    with k8s_leader.leader_only(lease=lease) as made:
        yield made


def row(lease: str) -> MemoryLease:
    """
    Return the lease behind a name.
    """
    return process_lease(lease.removeprefix("memory:"))


def test_a_call_on_the_leader_returns_what_the_function_returned(
    jobs: k8s_leader.LeaderOnly,
) -> None:
    @jobs
    def double(term: k8s_leader.Term, number: int, *, plus: int = 0) -> int:
        assert term.remaining() > 0
        return 2 * number + plus

    assert double(4, plus=1) == 9
    assert jobs.is_leader
    assert double.__name__ == "double"


def test_the_leader_stays_the_leader_between_calls_of_all_its_functions(
    jobs: k8s_leader.LeaderOnly, lease: str
) -> None:
    @jobs
    def hourly(term: k8s_leader.Term) -> int | None:
        return term.fencing_token

    @jobs
    def nightly(term: k8s_leader.Term) -> int | None:
        return hourly()

    tokens = {hourly(), nightly(), hourly()}
    assert len(tokens) == 1
    assert row(lease).holder != ""


def test_a_call_on_a_standby_is_skipped(
    jobs: k8s_leader.LeaderOnly, lease: str
) -> None:
    assert jobs(lambda term: "led")() == "led"
    with k8s_leader.leader_only(lease=lease) as others:
        assert others(lambda term: "led")() is None
        assert not others.is_leader


def test_a_call_that_may_wait_runs_when_the_leader_has_left(lease: str) -> None:
    first = k8s_leader.leader_only(lease=lease)
    first(lambda term: None)()
    with k8s_leader.leader_only(lease=lease, wait=None) as second:
        result: list[str | None] = []
        call = second(lambda term: "led")
        waiting = threading.Thread(target=lambda: result.append(call()))
        waiting.start()
        assert second(lambda term: "led") is not None
        first.close()
        waiting.join(30)
        assert result == ["led"]


def test_a_call_waits_no_longer_than_it_may(lease: str) -> None:
    row(lease).assign_leader("somebody else")
    with k8s_leader.leader_only(lease=lease, wait=0.05) as jobs:
        assert jobs(lambda term: "led")() is None


async def test_a_coroutine_function_is_awaited_and_skipped_on_a_standby(
    jobs: k8s_leader.LeaderOnly, lease: str
) -> None:
    async def work(term: k8s_leader.Term) -> int | None:
        await asyncio.sleep(0)
        return term.fencing_token

    assert await jobs(work)() == 1
    other = k8s_leader.leader_only(lease=lease, wait=0.05)
    assert await other(work)() is None
    await asyncio.to_thread(other.close)


async def test_a_coroutine_is_cancelled_by_a_loss_and_the_call_says_so(
    jobs: k8s_leader.LeaderOnly, lease: str
) -> None:
    @jobs
    async def work(term: k8s_leader.Term) -> None:
        row(lease).assign_leader("somebody else")
        await asyncio.Event().wait()

    with pytest.raises(k8s_leader.LeadershipLostError, match="before the work did"):
        await work()


def test_what_the_function_raises_surfaces_and_the_next_call_runs(
    jobs: k8s_leader.LeaderOnly,
) -> None:
    @jobs
    def broken(term: k8s_leader.Term) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert jobs(lambda term: "led")() == "led"


def test_the_lease_is_released_only_when_the_last_call_has_returned(
    lease: str,
) -> None:
    jobs = k8s_leader.leader_only(lease=lease)
    inside, told = threading.Barrier(3, timeout=30), threading.Barrier(3, timeout=30)
    let_go, held = threading.Event(), []

    @jobs
    def long(term: k8s_leader.Term) -> None:
        inside.wait()
        assert term.lost.wait(30)
        told.wait()
        let_go.wait(30)
        held.append(row(lease).holder)

    calls = [threading.Thread(target=long) for _ in range(2)]
    for call in calls:
        call.start()
    inside.wait()
    jobs.stop()
    told.wait()
    assert jobs(lambda term: "led")() is None  # nothing begins under an ending term
    let_go.set()
    for call in calls:
        call.join(30)
    jobs.close()
    assert len(held) == 2
    assert "" not in held
    assert row(lease).holder == ""


def test_a_fault_of_the_candidacy_surfaces_from_every_call(tmp_path: Path) -> None:
    (tmp_path / "lease.db").write_text("this is no database, whatever its name says")
    jobs = k8s_leader.leader_only(lease=f"sqlite:{tmp_path / 'lease.db'}")
    for _ in range(2):
        with pytest.raises(k8s_leader.SettingsError, match="SQLite"):
            jobs(lambda term: None)()
    with pytest.raises(k8s_leader.SettingsError, match="SQLite"):
        asyncio.run(_async_call(jobs))


async def _async_call(jobs: k8s_leader.LeaderOnly) -> None:
    @jobs
    async def work(term: k8s_leader.Term) -> None:
        raise AssertionError

    await work()


def test_a_failing_heartbeat_surfaces_from_the_calls(lease: str) -> None:
    failed = threading.Event()

    def heartbeat(is_leader: bool, token: object) -> None:
        failed.set()
        raise ValueError

    jobs = k8s_leader.leader_only(lease=lease, heartbeat=heartbeat, wait=None)
    row(lease).assign_leader("somebody else")
    with pytest.raises(k8s_leader.HeartbeatError):
        jobs(lambda term: None)()
    assert failed.is_set()


def test_a_stop_token_of_another_event_loop_is_refused(lease: str) -> None:
    jobs = k8s_leader.leader_only(lease=lease, stop=asyncio.Event())
    with pytest.raises(k8s_leader.SettingsError, match=r"threading\.Event"):
        jobs.start()


def test_a_stop_token_ends_the_candidacy(lease: str) -> None:
    stop = threading.Event()
    jobs = k8s_leader.leader_only(lease=lease, stop=stop)

    @jobs
    def work(term: k8s_leader.Term) -> bool:
        stop.set()
        return term.lost.wait(30)

    assert work() is True
    assert work() is None


def test_users_observers_are_told_too(lease: str) -> None:
    heard = []

    class Notes:
        def on_notice(self, notice: k8s_leader.Notice) -> None:
            heard.append(notice)

    with k8s_leader.leader_only(lease=lease, observers=[Notes()]) as jobs:
        jobs(lambda term: None)()
    assert any(isinstance(notice, k8s_leader.StateChanged) for notice in heard)


_COMMAND = """
import sys
import k8s_leader

@k8s_leader.leader_only(lease=sys.argv[1], wait=None)
def command(term):
    print(term.fencing_token, flush=True)

command()
"""


def test_a_command_releases_the_lease_when_its_process_ends(tmp_path: Path) -> None:
    tokens = []
    for _ in range(2):  # the second would wait for an expiry of 15 s
        argv = [sys.executable, "-c", _COMMAND, f"sqlite:{tmp_path / 'lease.db'}"]
        tokens.append(int(subprocess.check_output(argv, timeout=10)))
    assert tokens[0] < tokens[1]


_PREFORK = """
import os, sys, time, warnings
warnings.simplefilter("ignore")
import k8s_leader

jobs = k8s_leader.leader_only(lease=sys.argv[1], wait=float(sys.argv[2]))

@jobs
def who(term):
    return os.getpid()

assert who() == os.getpid()
workers = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        led = jobs.is_leader
        done = who()  # a candidacy of the worker's own, on standby beside the master's
        os._exit(1 if led or done is not None else 0)
    workers.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]
assert codes == [0, 0], codes
assert who() == os.getpid()
"""


def test_the_workers_of_a_prefork_server_are_candidates_of_their_own(
    tmp_path: Path,
) -> None:
    lease = f"sqlite:{tmp_path / 'lease.db'}"
    argv = [sys.executable, "-c", _PREFORK, lease, "0.1"]
    done = subprocess.run(argv, check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_forked_child_leaves_its_parents_candidacy_alone(
    jobs: k8s_leader.LeaderOnly, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = jobs.start()
    pid = os.getpid()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid + 1)
        standing.close()  # as atexit does in the child
    assert jobs(lambda term: "led")() == "led"
