"""
An elector that the test plays itself.

The guard starts this file as its elector, which hands its end of the guard's socket to
the test and then does nothing but end when and how the test wants it. So the test
speaks the guard's protocol in its own words, nonsense included, while the guard has a
real process to reap, to kill and to wait for.

Usage as a program: ``scripted_elector.py ADDRESS CONFIG_FD SOCKET_FD``.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time
import uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from k8s_leader.election.timing import Timing

__all__ = ["ElectorDesk", "ScriptedElector"]

_PATIENCE = 30.0
_PACKET = 65536


def boot_time() -> float:
    """
    Return seconds on the clock that every deadline is counted on.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ElectorDesk:
    """
    Where the electors that a guard starts report to the test, one after the other.

    The address is abstract: it needs no folder that another user or root may enter.
    """

    def __init__(self, timing: Timing) -> None:
        self.address = f"scripted-elector-{uuid.uuid4()}"
        self._timing = timing
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind("\0" + self.address)
        self._listener.listen(16)
        self._met: list[ScriptedElector] = []

    def meet(self, *, timeout: float = _PATIENCE) -> ScriptedElector:
        """
        Return the next elector that the guard starts, after its hello.
        """
        self._listener.settimeout(timeout)
        line, _ = self._listener.accept()
        line.settimeout(_PATIENCE)
        _, fds, _, _ = socket.recv_fds(line, 16, 1)
        if not fds:
            line.close()
            raise AssertionError("the elector ended before it handed its socket on")
        elector = ScriptedElector(line, socket.socket(fileno=fds[0]), self._timing)
        self._met.append(elector)
        return elector

    @property
    def pids(self) -> list[int]:
        """
        Return the processes of the electors that were met.
        """
        return [elector.pid for elector in self._met]

    def close(self) -> None:
        """
        Let every elector that was met or waits end.
        """
        self._listener.close()
        for elector in self._met:
            elector.leave()


class ScriptedElector:
    """
    One process of the guard's elector, and the test's end of its conversation.

    A thread listens, so that the guard's questions for a sign of life are answered
    while the test waits for something else.

    Attributes:
        pid: of the process, as the test sees it.
        guard: pid of the guard, as the test sees it.
        hello: the guard's first message.
        answers: whether it gives signs of life; one that hangs does not.
    """

    def __init__(self, line: socket.socket, end: socket.socket, timing: Timing) -> None:
        self._line = line
        self._end = end
        self._timing = timing
        self._heard: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        peer = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self.pid: int = struct.unpack("3i", peer)[0]
        self.answers = True
        self._hung_up = False
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()
        try:
            self.guard = _parent(self.pid)
            self.hello: dict[str, Any] = self.expect("hello")
        except (AssertionError, FileNotFoundError, ProcessLookupError):
            self.leave()  # it, or the guard, was killed
            raise

    def _listen(self) -> None:
        try:
            while packet := self._end.recv(_PACKET):
                message = json.loads(packet)
                self._heard.put(message)
                if message["type"] == "ping" and self.answers:
                    self.send("pong")
        except OSError:
            pass  # the guard is gone
        self._heard.put(None)
        if not self._hung_up:
            self._line.close()  # an elector ends with its guard

    def expect(self, kind: str, *, timeout: float = _PATIENCE) -> dict[str, Any]:
        """
        Return the guard's next message of a kind; what comes before it is dropped.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.001, deadline - time.monotonic())
            try:
                message = self._heard.get(timeout=left)
            except queue.Empty:
                raise AssertionError(f"no {kind} within {timeout} s") from None
            assert message, f"the guard hung up instead of saying {kind}"
            if message["type"] == kind:
                return message

    @property
    def is_over(self) -> bool:
        """
        Whether the guard hung up, and all that it said was heard.
        """
        return not self._ear.is_alive() and self._heard.empty()

    def heard(self) -> list[dict[str, Any]]:
        """
        Return what the guard said since, without waiting for more.
        """
        found = []
        while not self._heard.empty():
            message = self._heard.get()
            if message is not None:
                found.append(message)
        return found

    def pause(self, seconds: float) -> None:
        """
        Let time pass: between two renewals there is nothing to wait for.
        """
        self._ear.join(seconds)

    def await_end(self) -> None:
        """
        Wait until the guard hangs up.
        """
        self._ear.join(_PATIENCE)
        assert not self._ear.is_alive(), "the guard did not hang up"

    def send(self, kind: str, **fields: object) -> None:
        """
        Tell the guard something.
        """
        self.raw(json.dumps({"type": kind, **fields}).encode())

    def raw(self, packet: bytes) -> None:
        """
        Send whatever the test likes, as one packet.
        """
        self._end.send(packet)

    def grant(self, *, token: int = 7, sent: float | None = None) -> dict[str, Any]:
        """
        Return the words of a valid grant that was asked for at ``sent`` (now).
        """
        sent = boot_time() if sent is None else sent
        grant = self._timing.grant(token=token, sent=sent)
        return {
            "token": token,
            "sent": sent,
            "stop_at": grant.stop_at,
            "until": grant.until,
        }

    def start(self, **changes: object) -> dict[str, Any]:
        """
        Send a valid start with some fields changed; return what was sent.
        """
        token = changes.get("token")
        number = token if isinstance(token, int) else 7
        message = {
            **self.grant(token=number),
            "uid": "u",
            "acquire_time": "t",
            "transitions": 1,
            "env": {"LEADER_FENCING_TOKEN": str(number)},
            **changes,
        }
        self.send("start", **message)
        return message

    def extend(self, **changes: object) -> dict[str, Any]:
        """
        Send an extension from now with some fields changed; return what was sent.
        """
        message = {**self.grant(), **changes}
        self.send("extend", **message)
        return message

    def stop(self, *, why: str = "told", budget: float = 0.0, token: int = 7) -> None:
        """
        Ask for the stop of the running term.
        """
        self.send("stop", token=token, why=why, budget=budget)

    def exit(self, status: int = 0) -> None:
        """
        End the process with a status.
        """
        self._line.send(str(status).encode())
        self.leave()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """
        End the process as the kernel would when memory runs out.
        """
        os.kill(self.pid, number)
        self.leave()

    def leave(self) -> None:
        """
        Let go of the process, which then ends with 0 if it lives.
        """
        self.hang_up()
        self._line.close()

    def hang_up(self) -> None:
        """
        Close the guard's socket; the process lives on until its status is known.
        """
        self._hung_up = True
        try:
            self._end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the guard was faster
        self._ear.join(_PATIENCE)
        self._end.close()


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:  # noqa: PTH123  # -S
        found = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    return int(found["PPid"])


def main() -> int:
    """
    Hand the guard's socket to the test, then wait for a status to end with.
    """
    address, _, fd = sys.argv[1:]
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.connect("\0" + address)
    socket.send_fds(line, [b"guard"], [int(fd)])
    os.close(int(fd))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return int(line.recv(16) or 0)


if __name__ == "__main__":
    sys.exit(main())
