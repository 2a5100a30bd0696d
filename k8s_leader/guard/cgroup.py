"""
A control group of the guard's own, where the system lets us make one.

The guard lives in it, so all that it starts is born there: to move a process later
waits for the kernel, 5 to 20 ms of every hand-over. ``cgroup.kill`` then ends all of
it at once, the guard included: the last resort of the guard, and the elector's means
when the guard is dead or frozen. Most containers mount it read-only; then there is
none, and descent alone has to do.
"""

from __future__ import annotations

import os
import time

__all__ = ["Cgroup", "make_cgroup"]

_PREFIX = "k8s-leader-"
_NEW = 60.0


class Cgroup:
    """
    A cgroup (v2) for one guard and its workload.

    Args:
        path: its folder, made already.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._inside = False

    def enter(self) -> bool:
        """
        Move this process into it; what it starts is born there.
        """
        self._inside = _write(f"{self.path}/cgroup.procs", "0")
        return self._inside

    def leave(self) -> None:
        """
        Move this process back to where the guard was started.
        """
        if self._inside:
            _write(f"{os.path.dirname(self.path)}/cgroup.procs", "0")

    def kill(self) -> None:
        """
        Kill everything in it; without effect on a kernel before 5.14.
        """
        _write(f"{self.path}/cgroup.kill", "1")

    def remove(self, *, older: float = float("-inf")) -> None:
        """
        Remove it if it is older (seconds); one that is not empty yet stays.
        """
        try:
            if time.time() - os.stat(self.path).st_mtime > older:
                os.rmdir(self.path)
        except OSError:
            return


def make_cgroup(name: str) -> Cgroup | None:
    """
    Make a cgroup below this process's own; ``None`` where that is not permitted.

    Empty ones that killed guards left there are removed, except new ones: their guards
    may be about to move in.
    """
    try:
        parent = _own_folder()
        if parent is None:
            return None
        for old in os.listdir(parent):
            if old.startswith(_PREFIX):
                Cgroup(os.path.join(parent, old)).remove(older=_NEW)
    except OSError:
        return None
    made = Cgroup(os.path.join(parent, _PREFIX + name))
    if not _mkdir(made.path):
        return None
    if os.access(f"{made.path}/cgroup.kill", os.W_OK):
        return made
    made.remove()
    return None


def _own_folder() -> str | None:
    with open("/proc/self/cgroup") as file:
        own = next((line[3:] for line in file if line.startswith("0::")), None)
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split() for line in file if " - cgroup2 " in line]
    if own is None or not mounts:
        return None
    root, point = mounts[0][3], mounts[0][4]
    relative = os.path.relpath(own.strip(), root)
    if relative.startswith(".."):
        return None
    return os.path.normpath(os.path.join(point, relative))


def _mkdir(path: str) -> bool:
    try:
        os.mkdir(path, 0o755)
    except OSError:
        return False
    return True


def _write(path: str, text: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, text.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
