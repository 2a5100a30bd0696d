"""
The guard's loop where a real process cannot be brought to fail.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from k8s_leader.cli.arguments import parse_settings
from k8s_leader.cli.guard_config import guard_config
from k8s_leader.cli.run import parser
from k8s_leader.guard.elector import Elector
from k8s_leader.guard.linux import boot_time
from k8s_leader.guard.supervisor import Guard
from k8s_leader.guard.workload import Workload
from k8s_leader.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def guard() -> Iterator[Guard]:
    settings = Settings.load(parse_settings(parser(), ["--lease", "a/b"])[1], {})
    config = guard_config(settings, ["true"], {})
    made = Guard(config, config_fd=0, environ=dict(os.environ))
    yield made
    for fd in (made._wake, made._woken):
        os.close(fd)
    if made._cgroup is not None:
        made._cgroup.remove()


def test_s9_children_that_never_stop_ending_keep_no_deadline_waiting(
    monkeypatch: pytest.MonkeyPatch, guard: Guard
) -> None:
    """
    A guard that is PID 1 has no timer of the kernel behind it.
    """
    ends = iter(range(10, 10_000))
    monkeypatch.setattr(os, "waitpid", lambda *_: (next(ends), 0))
    guard._reap()
    assert next(ends) < 10_000
    assert guard._unreaped  # the rest comes next
    monkeypatch.setattr(os, "waitpid", lambda *_: (0, 0))
    guard._reap()
    assert not guard._unreaped


def test_the_end_of_a_child_is_nothing_that_the_workload_is_told(
    monkeypatch: pytest.MonkeyPatch, guard: Guard
) -> None:
    done: list[object] = []
    monkeypatch.setattr(Workload, "forward", lambda _, number: done.append(number))
    monkeypatch.setattr(Guard, "_reap", lambda _: done.append("reaped"))
    monkeypatch.setattr(Guard, "_settle", lambda *_: None)
    for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGCHLD):
        os.write(guard._woken, bytes([number]))
    guard._turn()
    assert done == [signal.SIGUSR1, "reaped"]


def test_no_second_elector_is_started_while_the_first_one_lives(
    monkeypatch: pytest.MonkeyPatch, guard: Guard
) -> None:
    started: list[int] = []
    monkeypatch.setattr(Guard, "_start_elector", lambda _: started.append(1))
    monkeypatch.setattr(Elector, "watch", lambda *_: False)
    monkeypatch.setattr(Elector, "kill", lambda _: None)
    guard._elector.pid = os.getpid()  # somebody who lives
    guard._settle(boot_time())
    assert started == []
    guard._elector.pid = None
    guard._settle(boot_time())
    assert started == [1]


def test_an_elector_that_cannot_be_forked_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], guard: Guard
) -> None:
    def full(*_: object, **__: object) -> None:
        raise BlockingIOError("no process left")

    monkeypatch.setattr(Elector, "start", full)
    guard._start_elector()
    assert guard._elector.look_at > 0
    assert "the elector cannot be started: no process left" in capfd.readouterr().err
