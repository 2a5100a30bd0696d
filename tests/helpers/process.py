"""
A program under test that can be frozen, killed and started again.
"""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

__all__ = ["ManagedProcess"]


class ManagedProcess:
    """
    One child process with its output in a file, tied to a lifeline.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        lifeline: Lifeline,
        executable: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.argv = list(argv)
        self.log = log
        self._lifeline = lifeline
        self._executable = executable
        self._env = env
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """
        The process id of the current run.
        """
        assert self._popen is not None, "not started"
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """
        Whether the process exists; a frozen one does.
        """
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """
        Start the program; its output is appended to the log.
        """
        assert not self.is_running, "runs already"
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self.argv,
                executable=self._executable,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._lifeline.add(self.pid)

    def freeze(self) -> None:
        """
        Stop it with SIGSTOP: connections stay open and nothing answers.
        """
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """
        Let a frozen process go on.
        """
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """
        End it with SIGKILL and reap it; a dead process stays dead.
        """
        if self._popen is None:
            return
        pid = self._popen.pid
        if self.is_running:
            self._popen.kill()
        self._popen.wait(30)
        self._lifeline.discard(pid)

    def tail(self, lines: int = 30) -> str:
        """
        Return the end of the log, for error messages.
        """
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        assert self._popen is not None, "not started"
        self._popen.send_signal(number)
