"""
Ties programs and folders to the life of the process that started them.

A test run that is killed with SIGKILL cannot clean up, and a stopped (SIGSTOP)
child notices nothing. So a tiny process waits at the other end of a pipe: when the
pipe closes, whatever is still listed is killed and removed. This does not depend on
the thread that started the child, as PR_SET_PDEATHSIG would.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Lifeline"]

_KEEPER = """
import os, shutil, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
pids, folders = set(), set()
for line in sys.stdin:
    verb, _, rest = line.rstrip("\\n").partition(" ")
    if verb == "pid": pids.add(int(rest))
    if verb == "gone": pids.discard(int(rest))
    if verb == "folder": folders.add(rest)
for pid in pids:
    try: os.kill(pid, signal.SIGKILL)
    except ProcessLookupError: pass
for folder in folders:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
"""


class Lifeline:
    """
    Kills the listed processes and removes the listed folders when this one ends.
    """

    def __init__(self) -> None:
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _KEEPER],
            stdin=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    def add(self, pid: int) -> None:
        """
        Tie a process.
        """
        self._say(f"pid {pid}")

    def discard(self, pid: int) -> None:
        """
        Forget a process; to be called once it was reaped.
        """
        self._say(f"gone {pid}")

    def add_folder(self, folder: Path) -> None:
        """
        Tie a folder.
        """
        self._say(f"folder {folder}")

    def close(self) -> None:
        """
        Let the end come now, and wait until all is gone.
        """
        if self._keeper.stdin and not self._keeper.stdin.closed:
            self._keeper.stdin.close()
        self._keeper.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, line: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(line + "\n")
        self._keeper.stdin.flush()
