"""
Candidates of other projects, to campaign against: client-go and kubernetes_asyncio.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.helpers.go_build import PEERS, TESTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.helpers.lifeline import Lifeline

__all__ = ["Campaign", "Peer", "PeerEvent", "asyncio_peer", "client_go_peer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """
    What a peer runs for, and by which clock.

    Times are in seconds; the defaults are those of Kubernetes' own components.
    """

    kubeconfig: Path
    namespace: str
    lease: str
    identity: str
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    command: Sequence[str] = ()

    def flags(self, *, unit: str) -> list[str]:
        """
        Return the command line that both programs understand.
        """
        return [
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={self.namespace}",
            f"--lease={self.lease}",
            f"--identity={self.identity}",
            f"--lease-duration={self.lease_duration}{unit}",
            f"--renew-deadline={self.renew_deadline}{unit}",
            f"--retry-period={self.retry_period}{unit}",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerEvent:
    """
    One line of a peer: campaigning, started_leading, stopped_leading, new_leader.

    `boot` is seconds on CLOCK_BOOTTIME, `wall` seconds since 1970, both read by the
    peer itself; `metrics` are lines that a Prometheus would have read then.
    """

    event: str
    identity: str
    boot: float
    wall: float
    leader: str = ""
    metrics: tuple[str, ...] = ()


class Peer:
    """
    A running candidate; its events can be awaited.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        lifeline: Lifeline,
        stderr: Path = Path(os.devnull),
    ) -> None:
        with stderr.open("wb") as errors:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        lifeline.add(self._process.pid)
        self._lifeline = lifeline
        self._changed = threading.Condition()
        self._ended = False
        self.events: list[PeerEvent] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """
        The process id.
        """
        return self._process.pid

    def wait_for(self, event: str, *, count: int = 1, timeout: float = 60) -> PeerEvent:
        """
        Wait until the peer has said `event` `count` times, and return that one.

        Raises:
            TimeoutError: it has not said so in `timeout` seconds, or it ended.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [e for e in self.events if e.event == event]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    said = [e.event for e in self.events]
                    raise TimeoutError(f"no {event}; the peer said {said}")
                self._changed.wait(left)

    def terminate(self) -> None:
        """
        Send SIGTERM; client-go stops its command, then releases.
        """
        self._process.terminate()

    def freeze(self) -> None:
        """
        Stop it with SIGSTOP.
        """
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """
        End a `freeze`.
        """
        self._process.send_signal(signal.SIGCONT)

    def wait(self, *, timeout: float = 60) -> int:
        """
        Wait for its end and return the exit status.
        """
        status = self._process.wait(timeout)
        self._lifeline.discard(self._process.pid)
        self._reader.join(timeout)
        if self._process.stdout:
            self._process.stdout.close()
        return status

    def kill(self) -> None:
        """
        End it with SIGKILL, if it still runs, and reap it.
        """
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._add(json.loads(line))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _add(self, data: dict[str, Any]) -> None:
        event = PeerEvent(
            event=data["event"],
            identity=data.get("identity", ""),
            boot=data["boot"],
            wall=data["wall"],
            leader=data.get("leader", ""),
            metrics=tuple(data.get("metrics", ())),
        )
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()


def client_go_peer(
    campaign: Campaign,
    *,
    lifeline: Lifeline,
    release: bool = True,
    tells: bool = False,
    stderr: Path = Path(os.devnull),
) -> Peer:
    """
    Start a candidate on client-go's elector; with ReleaseOnCancel by default.

    One that `tells` writes Events, and its lines have the metrics of its process; what
    client-go itself logs goes to `stderr`.
    """
    argv = [
        str(PEERS.build()),
        *campaign.flags(unit="s"),
        f"--tell={str(tells).lower()}",
    ]
    argv += [f"--release-on-cancel={str(release).lower()}", "--", *campaign.command]
    return Peer(argv, lifeline=lifeline, stderr=stderr)


def asyncio_peer(campaign: Campaign, *, lifeline: Lifeline) -> Peer:
    """
    Start a candidate on kubernetes_asyncio's elector, which never releases.
    """
    program = TESTS / "peers" / "asyncio_elector.py"
    argv = [sys.executable, str(program), *campaign.flags(unit="")]
    return Peer([*argv, "--", *campaign.command], lifeline=lifeline)
