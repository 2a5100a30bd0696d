"""
What a tree of processes uses: memory and processor time, from ``/proc``.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Memory", "descendants", "memory", "processor"]

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """
    Bytes: shared pages counted in each process, and counted once.
    """

    rss: int
    pss: int


def descendants(pid: int) -> list[int]:
    """
    Return everything below a process.
    """
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                stat = (entry / "stat").read_text()
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def memory(pids: list[int]) -> Memory:
    """
    Add up what processes hold.
    """
    rss = pss = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
            values = {
                name: int(rest.split()[0]) * 1024
                for name, _, rest in (line.partition(":") for line in lines)
            }
            rss += values.get("Rss", 0)
            pss += values.get("Pss", 0)
    return Memory(rss=rss, pss=pss)


def processor(pids: list[int]) -> float:
    """
    Add up the seconds that processes have run, exact to the nanosecond.
    """
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for thread in (_PROC / str(pid) / "task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9
