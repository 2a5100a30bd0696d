"""
A control group of the workload's own, where the system lets us make one.

``cgroup.kill`` ends everything in it at once, whoever its parent is: also what nobody
can find by descent any more. Most containers mount it read-only; then there is none,
and descent alone has to do.
"""

from __future__ import annotations

import os

__all__ = ["Cgroup", "make_cgroup"]


class Cgroup:
    """
    A cgroup (v2) for one guard's workload.

    Args:
        path: its folder, made already.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def enter(self) -> None:
        """
        Move this process into it; what it starts is born there.

        A process that is not let in stays outside: descent still finds it.
        """
        _try_write(f"{self.path}/cgroup.procs", "0")

    def kill(self) -> None:
        """
        Kill everything in it; without effect on a kernel before 5.14.
        """
        _try_write(f"{self.path}/cgroup.kill", "1")

    def remove(self) -> None:
        """
        Remove it; one that is not empty yet stays.
        """
        try:
            os.rmdir(self.path)
        except OSError:
            return


def make_cgroup(name: str) -> Cgroup | None:
    """
    Make a cgroup below this process's own; ``None`` where that is not permitted.
    """
    try:
        parent = _own_folder()
        if parent is None:
            return None
        path = os.path.join(parent, name)
        os.mkdir(path, 0o755)
    except OSError:
        return None
    if os.access(f"{path}/cgroup.kill", os.W_OK):
        return Cgroup(path)
    os.rmdir(path)
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


def _try_write(path: str, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, text.encode())
    except OSError:
        return
    finally:
        os.close(fd)
