"""
The elector's process as the guard sees it: started, heard, restarted.

A new elector is started only after the old one was reaped, on a new socket pair, so
that no two ever speak for one identity.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from k8s_leader.guard.linux import die_with_parent

__all__ = ["Elector"]

_PACKET = 32768
_FLOOD = 64
"""Packets read at a time: a flood cannot keep the guard from its deadlines."""

_START_PATIENCE = 30.0
"""Seconds for the imports and the first words of an elector on a busy machine."""

_PINGS = 4
_DIGITS = 30
"""More than any number in the protocol has."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_STABLE = 30.0


class Elector:
    """
    The process that talks to the lease.

    Args:
        argv: its command; two file descriptors are appended.
        config_fd: of the configuration, inherited.
        patience: seconds without a word after which it counts as hung.
    """

    def __init__(self, argv: Sequence[str], *, config_fd: int, patience: float) -> None:
        self._argv = list(argv)
        self._config_fd = config_fd
        self._patience = patience
        self._hung_at = 0.0
        self._ping_at = 0.0
        self._pause = _FIRST_PAUSE
        self._started_at = 0.0
        self.pid: int | None = None
        self.end: socket.socket | None = None
        self.restart_at = 0.0

    def start(self, *, now: float, environ: Mapping[str, str]) -> None:
        """
        Start it; its first message has to be the guard's hello.

        Raises:
            OSError: there is no memory, process or descriptor left for it.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        guard = os.getpid()  # asked in the child, it could already be another's
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            self._exec(theirs, environ, guard=guard)
        theirs.close()
        ours.setblocking(False)
        self.pid, self.end, self._started_at = pid, ours, now
        self._ping_at = now
        self._hung_at = now + max(_START_PATIENCE, self._patience)

    def next_look(self) -> float:
        """
        Return when :meth:`watch` has to be called at the latest.
        """
        return (
            self.restart_at if self.pid is None else min(self._ping_at, self._hung_at)
        )

    def watch(self, now: float) -> bool:
        """
        Ask for a sign of life; kill it and return true when none came for too long.
        """
        if self.pid is None:
            return False
        if now > self._ping_at + self._patience / _PINGS:
            # The guard itself slept or was frozen: nothing was asked meanwhile.
            self._hung_at = max(self._hung_at, now + self._patience)
        if now >= self._hung_at:
            self._hung_at = now + self._patience
            self.kill()
            return True
        if now >= self._ping_at:
            self._ping_at = now + self._patience / _PINGS
            self.send("ping")
        return False

    def send(self, kind: str, **fields: object) -> None:
        """
        Tell it something; who does not listen is not waited for.
        """
        if self.end is None:
            return
        try:
            self.end.send(json.dumps({"type": kind, **fields}).encode())
        except OSError:
            pass  # it hangs or is gone; its end is noticed by SIGCHLD

    def receive(self, now: float) -> list[dict[str, Any]]:
        """
        Return what it said since; garbage ends it (it is started again).
        """
        messages: list[dict[str, Any]] = []
        while self.end is not None and len(messages) < _FLOOD:
            try:
                packet = self.end.recv(_PACKET)
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                self._hang_up()
                break
            try:
                message = json.loads(packet, parse_int=_integer)
                message["type"].encode()
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                self.kill()
                break
            messages.append(message)
        if messages:
            self._hung_at = now + self._patience
        return messages

    def reaped(self, *, now: float) -> None:
        """
        Note that it is gone, and when to start the next.
        """
        self._hang_up()
        self.pid = None
        if now - self._started_at > _STABLE:
            self._pause = _FIRST_PAUSE
        self.restart_at = now + self._pause
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause)

    def kill(self) -> None:
        """
        Kill it: it talks nonsense, hangs, or is not needed any more.
        """
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    def _hang_up(self) -> None:
        if self.end is not None:
            self.end.close()
            self.end = None

    def _exec(
        self, end: socket.socket, environ: Mapping[str, str], *, guard: int
    ) -> None:
        try:
            os.setpgid(0, 0)  # a terminal's signals are for the guard
            # A guard that dies is buried by its elector, which must be awake for it.
            die_with_parent(signal.SIGCONT)
            if os.getppid() != guard:
                os._exit(1)  # pragma: no cover  # it died within these microseconds
            os.set_inheritable(end.fileno(), True)
            os.set_inheritable(self._config_fd, True)
            signal.set_wakeup_fd(-1)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            fds = [str(self._config_fd), str(end.fileno())]
            os.execve(self._argv[0], [*self._argv, *fds], dict(environ))
        except OSError as exc:
            os.write(2, f"k8s-leader: error: {self._argv[0]}: {exc}\n".encode())
        finally:
            os._exit(127)


def _integer(digits: str) -> int:
    """
    Read an integer; one that no float can hold would end the guard in a sum.
    """
    if len(digits) > _DIGITS:
        raise ValueError(digits)
    return int(digits)
