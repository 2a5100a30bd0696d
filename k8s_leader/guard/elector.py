"""
The elector's process as the guard sees it: started, heard, restarted.

A new elector is started only after the old one was reaped, on a new socket pair, so
that no two ever speak for one identity.
"""

from __future__ import annotations

import json
import os
import signal
from _socket import AF_UNIX, SOCK_SEQPACKET, socket, socketpair  # half of socket's size

from k8s_leader.guard.linux import die_with_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from k8s_leader.guard.cgroup import Cgroup

__all__ = ["Elector"]

_PACKET = 32768
_FLOOD = 64
"""Packets read at a time: a flood cannot keep the guard from its deadlines."""

_START_PATIENCE = 30.0
"""Seconds for the imports and the first words of an elector on a busy machine."""

_ASK = 0.65
_TO_ANSWER = 0.45
"""Of the patience. A leader's renewals come more often: it is never asked."""

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
        cgroup: of the guard, which its elector must outlive.

    Attributes:
        pid: while it is not reaped.
        end: of the socket pair, while it has not hung up.
        look_at: when :meth:`watch` has to be called; without a pid, when to start it.
    """

    def __init__(
        self,
        argv: list[str],
        *,
        config_fd: int,
        patience: float,
        cgroup: Cgroup | None = None,
    ) -> None:
        self._argv = argv
        self._config_fd = config_fd
        self._patience = patience
        self._cgroup = cgroup
        self._asked = False
        self._pause = _FIRST_PAUSE
        self._started_at = 0.0
        self.pid: int | None = None
        self.end: socket | None = None
        self.look_at = 0.0

    def start(self, *, now: float, environ: dict[str, str]) -> None:
        """
        Start it; its first message has to be the guard's hello.

        Raises:
            OSError: there is no memory, process or descriptor left for it.
        """
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        guard = os.getpid()  # asked in the child, it could already be another's
        try:
            pid = os.fork()
            if pid == 0:
                self._exec(theirs.fileno(), environ, guard=guard)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._meet(pid, ours, now)

    def adopt(self, pid: int, fd: int, *, now: float) -> None:
        """
        Take over one that `run` started before it became the guard.
        """
        os.set_inheritable(fd, False)
        self._meet(pid, socket(fileno=fd), now)

    def _meet(self, pid: int, end: socket, now: float) -> None:
        end.setblocking(False)
        self.pid, self.end, self._started_at = pid, end, now
        self._asked, self.look_at = True, now + max(_START_PATIENCE, self._patience)

    def watch(self, now: float) -> bool:
        """
        Ask for a sign of life; kill it and return true when none came for too long.
        """
        if self.pid is None or now < self.look_at:
            return False
        # Much later than due, the guard itself slept or was frozen: it asks again.
        is_hung = self._asked and now < self.look_at + self._patience / 4
        self.look_at, self._asked = now + self._patience * _TO_ANSWER, True
        if is_hung:
            self.kill()
        else:
            self.send("ping")
        return is_hung

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
            self._asked = False
            self.look_at = now + self._patience * _ASK
        return messages

    def reaped(self, *, now: float) -> None:
        """
        Note that it is gone, and when to start the next.
        """
        self._hang_up()
        self.pid = None
        if now - self._started_at > _STABLE:
            self._pause = _FIRST_PAUSE
        self.look_at = now + self._pause
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

    def _exec(self, end: int, environ: dict[str, str], *, guard: int) -> None:
        """
        Become the elector; never returns.
        """
        try:
            os.setpgid(0, 0)  # a terminal's signals are for the guard
            # A guard that dies is buried by its elector, which must be awake for it.
            die_with_parent(signal.SIGCONT)
            if os.getppid() != guard:
                os._exit(1)  # pragma: no cover  # it died within these microseconds
            if self._cgroup is not None:
                self._cgroup.leave()
            for fd in (self._config_fd, end):
                os.set_inheritable(fd, True)
            signal.set_wakeup_fd(-1)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            argv = [*self._argv, str(self._config_fd), str(end)]
            os.execve(argv[0], argv, environ)
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
