"""
The guard's words: one line per change, and the proof for the kubelet.
"""

from __future__ import annotations

import json
import os
import select
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Log"]

_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR"}

_STDERR = 2
_LONGEST = 4000
"""A pipe that is ready takes this much without blocking (PIPE_BUF is 4096 bytes)."""


class Log:
    """
    Writes to stderr, and the identity to the container's termination log (S18).

    Attributes:
        identity: of the candidate.
        fields: what every line says besides its message, as the elector's lines do.
    """

    def __init__(self, config: dict[str, Any], *, identity: str) -> None:
        self._json = config["log_format"] == "json"
        names = {name.lower(): number for number, name in _LEVELS.items()}
        self._level = names.get(str(config["log_level"]).lower(), 20)
        self.identity = identity
        lease = config.get("elector", {}).get("lease")
        self.fields: dict[str, Any] = {"lease": lease, "identity": identity}
        self._path = config.get("termination_log")
        self._stderr = _open_stderr()

    def say(self, message: str, *, level: int = 20) -> None:
        """
        Write a line; a closed or full stderr never stops the guard.
        """
        if level < self._level:
            return
        wall = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall))
        stamp += f".{int(wall % 1 * 1000):03d}Z"
        name = _LEVELS[level]
        if self._json:
            entry = {"ts": stamp, "level": name.lower(), "logger": "guard"}
            line = json.dumps({**entry, "msg": message, **self.fields})
        else:
            line = f"{stamp} {name:<7} guard: {message}"
            line += "".join(f" {key}={of}" for key, of in self.fields.items())
        _write(self._stderr, line.encode(errors="replace"))

    def prove(self, identity: str) -> None:
        """
        Write the identity as the first line of the termination log (S18).
        """
        self._terminate(os.O_TRUNC, identity)

    def last(self, reason: str) -> None:
        """
        Add the last reason after the identity.
        """
        self._terminate(os.O_APPEND, reason)

    def _terminate(self, how: int, line: str) -> None:
        if self._path is None:
            return
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how)
            try:
                os.write(fd, line.encode() + b"\n")
            finally:
                os.close(fd)
        except OSError as exc:
            self.say(f"no termination log: {exc}", level=30)


def _open_stderr() -> int:
    """
    Return a descriptor of stderr that never blocks, where one can be had.

    Opened anew, since the workload shares ours and shall not find it changed. A file
    stays as it is, for its position; a socket, or what this user may not open, too.
    """
    try:
        if stat.S_ISREG(os.fstat(_STDERR).st_mode):
            return _STDERR
        how = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(f"/proc/self/fd/{_STDERR}", how)
    except OSError:
        return _STDERR


def _write(stderr: int, line: bytes) -> None:
    """
    Write to stderr if it takes a line now; a reader that hangs costs the line (S9).

    To look first is not enough: the workload may fill the pipe between look and write.
    """
    try:
        if stderr != _STDERR or select.select((), (_STDERR,), (), 0)[1]:
            os.write(stderr, line[:_LONGEST] + b"\n")
    except (OSError, ValueError):
        return
