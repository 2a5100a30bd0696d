"""
Control groups for tests: whatever of version 1 or 2 this machine lets us make.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Group", "control_group"]

ROOT = Path("/sys/fs/cgroup")

_FILES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "freezer": (("", "cgroup.freeze"), ("freezer", "freezer.state")),
    "memory": (("", "memory.max"), ("memory", "memory.limit_in_bytes")),
    "cpu": (("", "cpu.max"), ("cpu", "cpu.cfs_quota_us")),
}
"""For each controller: hierarchy and file in version 2, then in version 1."""


class Group:
    """
    One control group, and the words that start a program in it.
    """

    def __init__(self, folder: Path, file: str) -> None:
        self.folder = folder
        self._file = file

    @property
    def prefix(self) -> list[str]:
        """
        Return the words before a command that make it, and all it starts, a member.
        """
        enter = 'echo $$ > "$0" && exec "$@"'
        return ["sh", "-c", enter, str(self.folder / "cgroup.procs")]

    def freeze(self) -> None:
        """
        Freeze all members, and wait until they are.
        """
        if self._file == "freezer.state":
            self._set("FROZEN")
            frozen = lambda: self._get("freezer.state") == "FROZEN\n"  # noqa: E731  # one of two
        else:
            self._set("1")
            frozen = lambda: "frozen 1" in self._get("cgroup.events")  # noqa: E731
        wait_until(frozen, why="it is frozen")

    def thaw(self) -> None:
        """
        Let all members go on.
        """
        self._set("THAWED" if self._file == "freezer.state" else "0")

    def limit_memory(self, size: int) -> None:
        """
        Have the kernel kill what needs more than so many bytes.
        """
        self._set(str(size))

    def limit_cpu(self, share: float) -> None:
        """
        Give all members together a share of one processor.
        """
        quota = int(100_000 * share)
        self._set(str(quota) if self._file == "cpu.cfs_quota_us" else f"{quota} 100000")

    def remove(self) -> None:
        """
        Remove it with what was made below it, once its members have ended.
        """
        below = [each for each in self.folder.rglob("*") if each.is_dir()]
        for folder in [*reversed(below), self.folder]:
            wait_until(lambda f=folder: _removed(f), why=f"{folder} is empty")  # type: ignore[misc]  # of this turn

    def _set(self, value: str) -> None:
        (self.folder / self._file).write_text(value)

    def _get(self, name: str) -> str:
        return (self.folder / name).read_text()


@contextmanager
def control_group(controller: str) -> Iterator[Group]:
    """
    Lend a control group with ``freezer``, ``memory`` or ``cpu``; skip without one.
    """
    found = _make(controller)
    if found is None:
        pytest.skip(f"no control group with {controller} can be made here")
    try:
        yield found
    finally:
        if controller == "freezer":
            found.thaw()
        found.remove()


def _make(controller: str) -> Group | None:
    for hierarchy, file in _FILES[controller]:
        bases = [ROOT / hierarchy] if hierarchy else [ROOT, ROOT / "unified"]
        for base in bases:
            folder = base / f"test-{uuid.uuid4()}"
            try:
                folder.mkdir()
            except OSError:
                continue
            if (folder / file).exists():
                return Group(folder, file)
            folder.rmdir()
    return None


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
