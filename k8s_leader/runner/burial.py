"""
The elector's last duty: to end what a dead or frozen guard leaves running.

The guard enforces the grant. Should it not answer any more, the elector kills the tree
in its place, keeps renewing meanwhile, and never releases: the lease expires.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable

from k8s_leader.clock import Clock
from k8s_leader.election.grant import Grant
from k8s_leader.guard.cgroup import Cgroup
from k8s_leader.guard.descent import below, processes, send, state
from k8s_leader.guard.watchdog import last_call

__all__ = ["GuardWatch", "bury", "kill_all", "marked"]

_PAUSE = 0.02
_ENOUGH = 2
"""Looks that find nothing alive: between two, something may have forked away."""

_GUARD = b"k8s_leader/guard/__main__.py"


class GuardWatch:
    """
    Notices that the guard can no longer have enforced what it last acknowledged.

    Args:
        clock: boot-time clock.
        kill_time: seconds between the stop signal and SIGKILL.
        on_silent: called once, some time before the acknowledged grant ends.
    """

    def __init__(
        self, *, clock: Clock, kill_time: float, on_silent: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._kill_time = kill_time
        self._on_silent = on_silent
        self._timer: asyncio.TimerHandle | None = None

    def acknowledged(self, grant: Grant) -> None:
        """
        The guard runs the workload under this grant now.
        """
        self.gone()
        kill_at = min(grant.stop_at + self._kill_time, grant.until)
        wait = last_call(kill_at=kill_at, until=grant.until) - self._clock.now()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, wait), self._on_silent)

    def gone(self) -> None:
        """
        Nothing runs that would have to be enforced.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def bury(*, identity: str, guard: int, cgroup: str | None) -> None:
    """
    Kill the workload of a guard until two looks in a row find nothing alive.

    Best effort where there is no cgroup: what descends from a frozen guard is found
    for certain, what a dead one leaves by the identity in its environment.

    Args:
        identity: of the candidate, as its workload has it in its environment.
        guard: its process id.
        cgroup: the folder of the workload's cgroup, if it has one.
    """
    clean = 0
    while clean < _ENOUGH:
        if cgroup is not None:
            Cgroup(cgroup).kill()
        lived = kill_all(_stopped(guard)) if _is_its_child(guard) else []
        # Last: to read an environment hangs where its process hangs in the kernel.
        lived += kill_all(marked(f"LEADER_IDENTITY={identity}".encode()))
        clean = 0 if lived else clean + 1
        await asyncio.sleep(_PAUSE)
    if cgroup is not None:
        Cgroup(cgroup).remove()


def marked(mark: bytes) -> list[int]:
    """
    Return the processes whose environment, as they were started with, has this entry.

    What a dead guard started is known by it: a weaker sign than descent, as a process
    may wipe its environment or hide it.

    Args:
        mark: ``NAME=value``.
    """
    found = []
    for pid in processes():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                entries = file.read().split(b"\0")
        except OSError:
            continue  # gone, or another user's: not ours to judge
        if mark in entries:
            found.append(pid)
    return found


def kill_all(pids: Iterable[int]) -> list[int]:
    """
    Send SIGKILL; return those that lived until now (neither gone nor zombies).
    """
    living = [pid for pid in pids if state(pid) not in ("", "Z", "X")]
    for pid in living:
        send(pid, signal.SIGKILL)
    return living


def _stopped(guard: int) -> list[int]:
    """
    Stop all that descends from the guard but this process, and return it.

    Each before its children are looked for: it does not fork away.
    """
    found = []
    for pid in below(guard, spare=(os.getpid(),)):
        send(pid, signal.SIGSTOP)
        found.append(pid)
    return found


def _is_its_child(guard: int) -> bool:
    """
    Tell whether this process descends from the guard still.

    Init adopts whoever loses its parent: what descends from it is everybody's, unless
    the guard itself is init. Its command line says so, whatever we were told.
    """
    if os.getppid() != guard:
        return False
    return guard != 1 or _is_guard(guard)


def _is_guard(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            *_, script, _descriptor = file.read().removesuffix(b"\0").split(b"\0")
    except (OSError, ValueError):
        return False
    return script.endswith(_GUARD)
