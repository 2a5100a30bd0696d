"""
What a library's candidate shows of itself: metrics on a registry, HTTP on a port.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from k8s_leader.app.managers import Opened
from k8s_leader.app.options import Options
from k8s_leader.app.visibility import Visibility
from k8s_leader.clock import Clock
from k8s_leader.election.timing import Timing
from k8s_leader.errors import SettingsError
from k8s_leader.observers.port import Notice
from k8s_leader.observers.status import Candidacy
from k8s_leader.settings.address import HttpAddress, http_address
from k8s_leader.web.listen import listen, url_of

__all__ = ["Showing"]


class Showing:
    """
    Shows one candidacy as its options say; an observer of it, and nothing by default.

    Args:
        options: ``http`` and ``registry`` of them.
        identity: of the candidate.
        clock: boot-time clock.
        timing: of the campaign.

    Raises:
        SettingsError: ``http`` is no address.
    """

    def __init__(
        self, options: Options, *, identity: str, clock: Clock, timing: Timing
    ) -> None:
        self._address = _address(options.get("http"))
        self._registry = options.get("registry")
        self._identity = identity
        self._clock = clock
        self._timing = timing
        self._listening: socket.socket | None = None
        self._seen: Visibility | None = None
        self.url = ""

    def bind(self) -> None:
        """
        Take the port before anything is begun.

        Raises:
            SettingsError: it is in use, or not to be had.
        """
        if self._address is not None:
            self._listening = listen(self._address, setting="http")
            self.url = url_of(self._listening)

    @contextmanager
    def of(self, opened: Opened) -> Iterator[None]:
        """
        Show the candidacy for a lease that is open, while the block runs.
        """
        candidacy = Candidacy(
            identity=self._identity,
            lease=opened.lease,
            namespace=opened.namespace,
            timing=self._timing,
        )
        seen = Visibility(
            candidacy,
            clock=self._clock,
            listening=self._listening,
            registry=self._registry,
            sent=opened.sent,
        )
        self._seen = seen
        try:
            yield
        finally:
            seen.close()

    def close(self) -> None:
        """
        Give the port back, also when no lease was ever opened.
        """
        if self._listening is not None:
            self._listening.close()

    def on_notice(self, notice: Notice) -> None:
        """
        Hand it on.
        """
        for observer in () if self._seen is None else self._seen.observers:
            observer.on_notice(notice)


def _address(http: str | None) -> HttpAddress | None:
    if http is None or http == "off":
        return None
    try:
        found = http_address(http)
    except ValueError as exc:
        raise _no_address(http) from exc
    if isinstance(found, HttpAddress):
        return found
    raise _no_address(http)


def _no_address(http: str) -> SettingsError:
    return SettingsError(
        "http",
        http,
        allowed="[ADDRESS]:PORT with a numeric address, or off",
        fix='write http=":9090" or http="127.0.0.1:9090"',
    )
