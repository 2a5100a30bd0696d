"""
Who descends from whom: the kernel's own account in ``/proc``.

As PID 1 or subreaper every orphan of a tree becomes a child of the guard, so descent
finds all of it while the guard lives.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["below", "children", "processes", "send", "state"]


def children(pid: int) -> list[int]:
    """
    Return the children of a process, zombies included; none if it is gone.
    """
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except FileNotFoundError:
        if os.path.exists(f"/proc/{pid}"):  # a kernel without that file
            return [each for each in processes() if _stat(each)[1:2] == [b"%d" % pid]]
    except (ProcessLookupError, PermissionError):
        pass
    return found


def below(
    pid: int,
    *,
    spare: Collection[int | None] = (),
    is_over: Callable[[int], bool] = lambda _: False,
) -> Iterator[int]:
    """
    Yield all descendants of a process, without ``spare`` and theirs.

    Each before its children are looked for: who stops what it is given meets all that
    this one had started.

    Args:
        pid: of the ancestor.
        spare: left out.
        is_over: whether a process has ended; it has no children any more.
    """
    queue = [child for child in children(pid) if child not in spare]
    while queue:
        child = queue.pop()
        if not is_over(child):
            yield child
            queue += children(child)


def processes() -> list[int]:
    """
    Return all processes that this one can see.
    """
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def state(pid: int) -> str:
    """
    Return a process's state as one letter (``D``: uninterruptible); empty if gone.
    """
    return b"".join(_stat(pid)[:1]).decode()


def send(pid: int, number: int) -> bool:
    """
    Send a signal to a process that may be gone; false if it is not ours to signal.
    """
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:
        return False
    return True


def _stat(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
