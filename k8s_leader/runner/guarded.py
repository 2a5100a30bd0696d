"""
A workload behind the guard: the elector's end of the socket between them.

Commands go out and are never waited for; what the guard tells becomes events of the
election. The guard is the judge of every grant: it checks tokens and times by its own
settings, and stops the tree without our help when nothing more comes (S9).
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

from k8s_leader.election.grant import Grant
from k8s_leader.leases.port import Held

__all__ = ["GuardLink", "GuardedWorkload"]

_logger = logging.getLogger(__name__)

_PACKET = 65536

Message = dict[str, Any]


class GuardLink:
    """
    One end of the socket pair: one JSON object per packet.

    Args:
        end: the connected ``SOCK_SEQPACKET`` socket.
        on_message: called with each message, in order.
        on_end: called once when the guard is gone.
    """

    def __init__(
        self,
        end: socket.socket,
        *,
        on_message: Callable[[Message], None],
        on_end: Callable[[], None],
    ) -> None:
        self._end = end
        self._on_message = on_message
        self._on_end = on_end
        end.setblocking(False)
        asyncio.get_running_loop().add_reader(end, self._drain)

    def send(self, kind: str, **fields: object) -> None:
        """
        Send a message; one that does not fit is dropped, the guard judges alone.
        """
        packet = json.dumps({"type": kind, **fields}, separators=(",", ":")).encode()
        try:
            self._end.send(packet)
        except BlockingIOError:
            _logger.error("the guard does not read: %s was dropped", kind)
        except OSError:
            self._over()

    def close(self) -> None:
        """
        Stop to listen.
        """
        if self._end.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._end)
            self._end.close()

    def _drain(self) -> None:
        while self._end.fileno() >= 0:
            try:
                packet = self._end.recv(_PACKET)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._over()
                return
            message = json.loads(packet)
            self._on_message(message)

    def _over(self) -> None:
        if self._end.fileno() >= 0:
            self.close()
            self._on_end()


class GuardedWorkload:
    """
    The workload port over a :class:`GuardLink`.

    Args:
        link: to the guard.
        environ: called with the term's facts; returns the variables for the workload.

    Attributes:
        token: of the term that was started last.
        asked: the grant that was handed on last.
        handed: what the workload was told in its environment last.
    """

    def __init__(
        self, link: GuardLink, *, environ: Callable[[Held], Mapping[str, str]]
    ) -> None:
        self._link = link
        self._environ = environ
        self.token: int | None = None
        self.asked: Grant | None = None
        self.handed: Mapping[str, str] = {}

    def start(self, grant: Grant, held: Held) -> None:
        """
        Ask the guard to start the workload for this very term (S16).
        """
        term = held.term
        self.token, self.asked = grant.token, grant
        self.handed = dict(self._environ(held))
        self._link.send(
            "start",
            **_times(grant),
            uid="" if term is None else term.uid,
            acquire_time="" if term is None else term.acquire_time,
            transitions=0 if term is None else term.transitions,
            env=self.handed,
        )

    def extend(self, grant: Grant) -> None:
        """
        Hand on a newer grant, longer or shorter.
        """
        self.asked = grant
        self._link.send("extend", **_times(grant))

    def stop(self, *, why: str, budget: float) -> None:
        """
        Ask for the stop; the guard's own deadlines hold whatever comes of it.
        """
        self._link.send("stop", token=self.token, why=why, budget=budget)


def _times(grant: Grant) -> dict[str, object]:
    return {
        "token": grant.token,
        "sent": grant.sent,
        "stop_at": grant.stop_at,
        "until": grant.until,
    }
