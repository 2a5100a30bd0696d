"""
Who descends from whom: the kernel's own account in ``/proc``.

As PID 1 or subreaper every orphan of a tree becomes a child of the guard, so descent
finds all of it while the guard lives. When the guard is dead, what it started is still
known by the identity in its environment: a second sign, and a weaker one, as a process
may wipe its environment or hide it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterable

__all__ = ["below", "children", "kill_all", "marked", "send", "state"]


def children(pid: int) -> list[int]:
    """
    Return the children of a process, zombies included; none if it is gone.
    """
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        for thread in threads:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except FileNotFoundError:
        if os.path.exists(f"/proc/{pid}"):
            return _children_by_parent(pid)  # a kernel without that file
    except (ProcessLookupError, PermissionError):
        pass
    return found


def _children_by_parent(parent: int) -> list[int]:
    found = []
    for pid in _all():
        fields = _stat(pid)
        if fields and int(fields[1]) == parent:
            found.append(pid)
    return found


def below(pid: int, *, spare: Collection[int] = ()) -> list[int]:
    """
    Return all descendants of a process, without ``spare`` and theirs.
    """
    found: list[int] = []
    queue = [child for child in children(pid) if child not in spare]
    while queue:
        child = queue.pop()
        found.append(child)
        queue += children(child)
    return found


def marked(mark: bytes) -> list[int]:
    """
    Return the processes whose environment, as they were started with, has this entry.

    Args:
        mark: ``NAME=value``.
    """
    found = []
    for pid in _all():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                entries = file.read().split(b"\0")
        except OSError:
            continue  # gone, or another user's: not ours to judge
        if mark in entries:
            found.append(pid)
    return found


def state(pid: int) -> str:
    """
    Return a process's state as one letter (``D``: uninterruptible); empty if gone.
    """
    fields = _stat(pid)
    return fields[0].decode() if fields else ""


def kill_all(pids: Iterable[int]) -> list[int]:
    """
    Send SIGKILL; return those that lived until now (neither gone nor zombies).
    """
    living = [pid for pid in pids if state(pid) not in ("", "Z", "X")]
    for pid in living:
        send(pid, signal.SIGKILL)
    return living


def send(pid: int, number: int) -> None:
    """
    Send a signal to a process that may be gone, or not ours any more.
    """
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
