"""
Puts together what shows a candidacy to others: status, metrics and the HTTP port.

Everything is told in the election's thread and asked from another one. The port is
bound at once, so that one in use is an error before anything was promised; what
answers on it is loaded and started after the first word from the store, so that it
delays no acquisition.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8s_leader.clock import Clock
from k8s_leader.errors import SettingsError
from k8s_leader.guard.descent import state
from k8s_leader.observers.port import Notice, Observer, RequestDone
from k8s_leader.observers.status import Candidacy, Status
from k8s_leader.observers.tally import Labels, Tally
from k8s_leader.settings.address import HttpAddress
from k8s_leader.web.feed import Feed
from k8s_leader.web.health import Check, Pulse
from k8s_leader.web.listen import listen, url_of
from k8s_leader.web.server import HttpServer

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

    from k8s_leader.web.pages import Pages

__all__ = ["Visibility", "guard_check", "open_visibility", "tie_of"]

_logger = logging.getLogger(__name__)

_FAREWELL = 1.0
"""Seconds that the end of a candidacy waits for the server's thread."""


class Visibility:
    """
    One candidacy as others see it.

    Args:
        candidacy: who it is about.
        clock: boot-time clock.
        listening: where to serve HTTP; ``None``: nowhere.
        registry: where to show the metrics besides; ``None``: nowhere.
        checks: of liveness, by name.
        peers: the candidates, where they are known.
        sent: requests to the API server by verb and status.
    """

    def __init__(
        self,
        candidacy: Candidacy,
        *,
        clock: Clock,
        listening: socket.socket | None = None,
        registry: CollectorRegistry | None = None,
        checks: Mapping[str, Check] | None = None,
        peers: Callable[[], object] | None = None,
        sent: Mapping[Labels, int] | None = None,
    ) -> None:
        self._status = Status(candidacy, clock=clock)
        self._tally = Tally(self._status, clock=clock, sent=sent)
        self._feed = Feed()
        self._checks = dict(checks or {})
        self._peers = peers
        self._url = "" if listening is None else url_of(listening)
        self._server: HttpServer | None = None
        if listening is not None:
            self._server = HttpServer(listening, make_pages=self._make_pages)
        self._retract: Callable[[], None] = lambda: None
        if registry is not None:
            self._show_on(registry)
        self._started = False

    @property
    def observers(self) -> tuple[Observer, ...]:
        """
        Return who is to be told, in this order: status, counts, streams, the start.
        """
        return (self._status, self._tally, self._feed, self)

    def environ(self) -> dict[str, str]:
        """
        Return what the workload is told of it.
        """
        return {"LEADER_STATUS_URL": f"{self._url}/status"} if self._url else {}

    def on_notice(self, notice: Notice) -> None:
        """
        Begin to serve at the store's first answer, be it good or bad.
        """
        if self._started or not isinstance(notice, RequestDone):
            return
        self._started = True
        limit = self._status.candidacy.timing.renew_deadline
        loop, clock = asyncio.get_running_loop(), self._status.clock
        self._checks["election"] = Pulse(loop, clock=clock, limit=limit)
        if self._server is not None:
            self._server.start()
            _logger.info("HTTP is served at %s", self._url)

    def close(self) -> None:
        """
        Show nothing any more.
        """
        self._retract()
        if self._server is not None:
            self._server.close(_FAREWELL)

    def _show_on(self, registry: CollectorRegistry) -> None:
        from k8s_leader.observers.metrics import export

        collector = export(self._tally, registry)
        self._retract = lambda: collector.remove(self._tally)

    def _make_pages(self) -> Pages:
        from k8s_leader.observers.gathering import Gathering, answer, build
        from k8s_leader.web.pages import Pages

        gathering = Gathering()
        gathering.add(self._tally)
        return Pages(
            self._status,
            feed=self._feed,
            checks=self._checks,
            render=lambda openmetrics: answer(gathering, openmetrics=openmetrics),
            version=build()[0],
            peers=self._peers,
        )


@asynccontextmanager
async def open_visibility(
    http: Mapping[str, Any] | None,
    candidacy: Candidacy,
    *,
    clock: Clock,
    checks: Mapping[str, Check],
    resumes: bool,
    peers: Callable[[], object] | None = None,
    sent: Mapping[Labels, int] | None = None,
) -> AsyncIterator[Visibility]:
    """
    Show the entrypoint's candidacy while it lasts.

    Args:
        http: host and port; ``None``: no HTTP.
        candidacy: who it is about.
        clock: boot-time clock.
        checks: of liveness, by name.
        resumes: a workload runs already; then it matters more than the port.
        peers: the candidates, where they are known.
        sent: requests to the API server by verb and status.

    Raises:
        SettingsError: the port is in use, or not to be had.
    """
    listening: socket.socket | None = None
    try:
        listening = None if http is None else listen(HttpAddress(**http))
    except SettingsError as exc:
        if not resumes:
            raise
        _logger.error("no HTTP until the next start: %s", exc)
    seen = Visibility(
        candidacy,
        clock=clock,
        listening=listening,
        checks=checks,
        peers=peers,
        sent=sent,
    )
    try:
        yield seen
    finally:
        seen.close()


def guard_check(guard: int) -> Check:
    """
    Return a check that the guard is there, and not stopped.

    One that is silent while a workload runs is noticed, and buried, by the elector.

    Args:
        guard: its process id.
    """

    def check() -> str | None:
        if os.getppid() != guard:
            return "it is gone"
        return "it is stopped" if state(guard) in ("T", "t", "Z") else None

    return check


def tie_of(guard: int, cgroup: str | None) -> str:
    """
    Return what ends the workload's whole tree with a guard that is killed.

    Args:
        guard: its process id.
        cgroup: the folder of its control group, if it made one.
    """
    if guard == 1:
        return "pid namespace"
    if cgroup is None:
        return "best effort"
    try:
        members = Path(cgroup, "cgroup.procs").read_text().split()
    except OSError:
        members = []
    return "cgroup" if str(guard) in members else "best effort"
