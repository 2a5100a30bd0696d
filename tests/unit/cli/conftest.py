from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from k8s_leader.cli import run as run_module


@pytest.fixture(autouse=True)
def restored_signals() -> Iterator[None]:
    """
    Undo that `run` holds all signals for the guard.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    interrupt = signal.getsignal(signal.SIGINT)
    pipe = signal.getsignal(signal.SIGPIPE)
    behind = signal.getsignal(signal.SIGTTOU)
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGPIPE, pipe)
    signal.signal(signal.SIGTTOU, behind)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """
    Collect what would have been started.
    """
    found: list[Any] = []

    def guard(config: Any, _early: object) -> int:
        found.append(config)
        return 0

    def command(words: Any, _environ: Any) -> int:
        found.append(words)
        return 0

    monkeypatch.setattr(run_module, "become_guard", guard)
    monkeypatch.setattr(run_module, "become_command", command)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(os.environ, "POD_NAME", "pod-0")
    return found
