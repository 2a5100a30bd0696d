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
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from k8s_leader.guard.descent import state
from tests.helpers.candidate import boot_time, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.slow

LEASE = 3.0
MARGIN = 0.4
NOISE = 0.3
"""Seconds until this process has seen the other's end."""

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
async def outlived(term):
    child = subprocess.Popen(["sleep", "60"])
    print(child.pid, flush=True)
    time.sleep(60)
async def obey(term): await asyncio.Event().wait()

what, lease = sys.argv[1:]
options = dict(lease_duration=%(lease)r, safety_margin=%(margin)r,
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
        code = self.process.wait(timeout=30)
        assert boot_time() <= deadline + NOISE
        return code


@pytest.fixture
def services(tmp_path: Path, lifeline: Lifeline) -> Iterator[list[Service]]:
    started: list[Service] = []
    yield started
    for service in started:
        service.process.kill()
        service.process.wait()
        service.out.close()


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
    assert service.ends_by(boot_time() + LEASE - MARGIN) == -signal.SIGKILL


def test_s10_a_stopped_process_is_killed_before_the_grant_ends(
    services: list[Service], tmp_path: Path
) -> None:
    service = _start(services, tmp_path, "obey")
    service.process.send_signal(signal.SIGSTOP)
    assert service.ends_by(boot_time() + LEASE - MARGIN) == -signal.SIGKILL


def test_a_blocked_loop_alone_loses_nothing(
    services: list[Service], tmp_path: Path
) -> None:
    service = _start(services, tmp_path, "block")
    since = boot_time()
    wait_until(lambda: boot_time() > since + LEASE + 1.0)
    assert service.process.poll() is None


def test_s10_pid_1_has_the_weaker_line_and_exits_with_1(
    services: list[Service], tmp_path: Path
) -> None:
    init = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    service = _start(services, tmp_path, "block", prefix=init)
    with closing(sqlite3.connect(service.path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert service.ends_by(boot_time() + LEASE - MARGIN) == 1


def test_a_subprocess_outlives_the_hard_stop_and_belongs_under_the_entrypoint(
    services: list[Service], tmp_path: Path
) -> None:
    service = _start(services, tmp_path, "outlived")
    child = int(service.out.readline())
    with closing(sqlite3.connect(service.path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        service.ends_by(boot_time() + LEASE - MARGIN)
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
