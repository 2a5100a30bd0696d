"""
A workload in-process that does not end with its term ends with its process (S10).

Real processes on a SQLite lease. The loss is real, too: the test holds the database's
lock, so that no renewal is confirmed any more.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from k8s_leader.guard.descent import state
from k8s_leader.leases.sqlite import glance
from tests.helpers.candidate import boot_time, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.slow

LEASE = 3.0
MARGIN = 0.4
INIT = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
NOISE = 0.3
"""Seconds that a process may take to be gone when it was killed."""

_SERVICE = """
import asyncio, ctypes, os, signal, subprocess, sys, time
import k8s_leader

async def leave(term): pass
async def block(term): time.sleep(60)
async def hold_the_gil(term): ctypes.PyDLL(None).sleep(60)
async def ignore(term):
    while True:
        try: await asyncio.sleep(60)
        except asyncio.CancelledError: pass
def thread(term):
    print("leads", flush=True)
    time.sleep(60)
async def full_stderr(term):
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True: os.write(write, bytes(65536))
    except BlockingIOError: pass
    os.set_blocking(write, True)
    os.dup2(write, 2)
    print("full", flush=True)
    time.sleep(60)
async def outlived(term, *prefix):
    child = subprocess.Popen([*prefix, "sleep", "60"])
    print(child.pid, flush=True)
    time.sleep(60)
async def tied(term): await outlived(term, "setpriv", "--pdeathsig", "KILL")
async def obey(term): await asyncio.Event().wait()
async def beside(term):
    async with k8s_leader.campaign(lease=lease + "-2", **options) as other:
        async for second in other.terms():
            async with second:
                print("both", flush=True)
                time.sleep(60)

what, lease = sys.argv[1:]
options = dict(lease_duration=float(os.environ.get("LASTS", "%(lease)r")),
               safety_margin=%(margin)r,
               on_loss=os.environ.get("ON_LOSS", "kill"))
async def main():
    async with k8s_leader.campaign(lease=lease, **options) as candidate:
        async for term in candidate.terms():
            async with term:
                print("leads", flush=True)
                await globals()[what](term)
if what == "thread":
    k8s_leader.run(thread, lease=lease, **options)
else:
    asyncio.run(main())
""" % {"lease": LEASE, "margin": MARGIN}  # noqa: UP031  # it is full of braces


class Service:
    """
    A process that leads on a lease of its own and behaves as it is told.
    """

    def __init__(
        self, folder: Path, behaviour: str, *, prefix: tuple[str, ...] = ()
    ) -> None:
        self.path = folder / "lease.db"
        argv = [*prefix, sys.executable, "-W", "ignore", "-c", _SERVICE, behaviour]
        self.process = subprocess.Popen(
            [*argv, f"sqlite:{self.path}"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.out = self.process.stdout
        assert self.out.readline() == "leads\n"

    def ends_by(self, deadline: float) -> int:
        """
        Return its exit status; it has to be gone at this boot-time instant.
        """
        assert self.last_alive() <= deadline + NOISE
        return int(self.process.returncode)

    def last_alive(self) -> float:
        """
        Wait for its end; return the last boot-time instant at which it still ran.

        Not the instant of the end as seen from here: this process sleeps at times.
        """
        alive = 0.0

        def is_gone() -> bool:
            nonlocal alive
            now = boot_time()
            if self.process.poll() is not None:
                return True
            alive = now
            return False

        wait_until(is_gone, why="it ends")
        return alive


@pytest.fixture
def services(tmp_path: Path, lifeline: Lifeline) -> Iterator[list[Service]]:
    started: list[Service] = []
    yield started
    for service in started:
        service.process.kill()
        service.process.wait()
        service.out.close()


def _steal(path: Path) -> None:
    """
    Name another holder in the record, as no candidate that keeps the rules would.
    """
    with closing(sqlite3.connect(path, timeout=10)) as database, database:
        database.execute(
            "UPDATE lease SET version = version + 1, "
            "record = json_set(record, '$.holder', 'thief', '$.duration', 1.0)"
        )
        database.execute("UPDATE counter SET version = version + 1")


def _renewed_at(path: Path) -> float:
    """
    Return the boot-time instant of the last renewal; the record has the wall's.
    """
    found = glance(path, name="leader")
    assert found is not None
    wall = datetime.fromisoformat(str(found.record.renew_time)).timestamp()
    return wall - time.time() + boot_time()


def _start(
    services: list[Service], folder: Path, behaviour: str, prefix: tuple[str, ...] = ()
) -> Service:
    services.append(Service(folder, behaviour, prefix=prefix))
    return services[-1]


@pytest.mark.parametrize("behaviour", ["block", "ignore", "thread"])
def test_s10_a_workload_that_outstays_a_loss_is_killed_before_the_grant_ends(
    services: list[Service], tmp_path: Path, behaviour: str
) -> None:
    service = _start(services, tmp_path, behaviour)
    with closing(sqlite3.connect(service.path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        lost_at = boot_time()
        code = service.ends_by(lost_at + LEASE - MARGIN)
    assert code == -signal.SIGKILL


def test_s10_a_workload_that_holds_the_gil_is_killed_before_the_grant_ends(
    services: list[Service], tmp_path: Path
) -> None:
    service = _start(services, tmp_path, "hold_the_gil")
    alive = service.last_alive()
    # It renewed until it held the GIL, which is later than it said that it leads.
    assert alive <= _renewed_at(service.path) + LEASE - MARGIN + NOISE
    assert service.process.returncode == -signal.SIGKILL


def test_s10_a_stopped_process_is_killed_before_the_grant_ends(
    services: list[Service], tmp_path: Path
) -> None:
    service = _start(services, tmp_path, "obey")
    service.process.send_signal(signal.SIGSTOP)
    assert service.ends_by(boot_time() + LEASE - MARGIN) == -signal.SIGKILL


def test_a_blocked_loop_alone_loses_nothing(
    services: list[Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasts = 8.0  # a shorter one is lost on a busy machine alone
    monkeypatch.setenv("LASTS", str(lasts))
    service = _start(services, tmp_path, "block")
    since = boot_time()
    wait_until(lambda: boot_time() > since + lasts + 1.0)
    assert service.process.poll() is None


@pytest.mark.parametrize("prefix", [(), INIT], ids=["anywhere", "pid 1"])
def test_s10_a_stderr_that_nobody_reads_does_not_delay_the_end(
    services: list[Service], tmp_path: Path, prefix: tuple[str, ...]
) -> None:
    service = _start(services, tmp_path, "full_stderr", prefix=prefix)
    assert service.out.readline() == "full\n"
    with closing(sqlite3.connect(service.path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        code = service.ends_by(boot_time() + LEASE - MARGIN)
    assert code == (1 if prefix else -signal.SIGKILL)


@pytest.mark.parametrize(
    ("lost", "prefix", "code"),
    [("", (), -signal.SIGKILL), ("-2", INIT, 1)],
    ids=["the first, anywhere", "the second, as pid 1"],
)
def test_s10_of_two_campaigns_in_a_process_either_ends_it(
    services: list[Service],
    tmp_path: Path,
    lost: str,
    prefix: tuple[str, ...],
    code: int,
) -> None:
    """
    The other one renews on: it moves its own deadline, never that of the lost one.
    """
    service = _start(services, tmp_path, "beside", prefix=prefix)
    assert service.out.readline() == "both\n"
    path = f"{service.path}{lost}"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert service.ends_by(boot_time() + LEASE - MARGIN) == code


def test_s3_a_stolen_record_ends_what_does_not_go_at_once(
    services: list[Service], tmp_path: Path
) -> None:
    service = _start(services, tmp_path, "block")
    _steal(service.path)
    stolen_at = boot_time()
    # The grant has up to 2.6 s left: it was not waited for.
    assert service.last_alive() - stolen_at < 1.0
    assert service.process.returncode == -signal.SIGKILL


def test_s3_a_stolen_record_cancels_only_where_carrying_on_was_chosen(
    services: list[Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ON_LOSS", "carry-on")
    service = _start(services, tmp_path, "obey")
    _steal(service.path)
    assert service.out.readline() == "leads\n"  # a new term, after the thief's


def test_s10_pid_1_has_the_weaker_line_and_exits_with_1(
    services: list[Service], tmp_path: Path
) -> None:
    service = _start(services, tmp_path, "block", prefix=INIT)
    with closing(sqlite3.connect(service.path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert service.ends_by(boot_time() + LEASE - MARGIN) == 1


@pytest.mark.parametrize("how", ["outlived", "tied"])
def test_a_subprocess_outlives_the_hard_stop_unless_it_is_tied_to_its_parent(
    services: list[Service], tmp_path: Path, how: str
) -> None:
    service = _start(services, tmp_path, how)
    child = int(service.out.readline())
    with closing(sqlite3.connect(service.path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        service.ends_by(boot_time() + LEASE - MARGIN)
    if how == "tied":
        wait_until(lambda: state(child) in ("", "Z"))
        return
    try:
        assert state(child) not in ("", "Z")
    finally:
        os.kill(child, signal.SIGKILL)


def test_carrying_on_after_a_loss_is_possible_when_it_is_asked_for(
    services: list[Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ON_LOSS", "carry-on")
    service = _start(services, tmp_path, "ignore")
    with closing(sqlite3.connect(service.path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        since = boot_time()
        wait_until(lambda: boot_time() > since + LEASE + 1.0)
        assert service.process.poll() is None
