"""
The metrics as they are sent: one rendering serves a burst of scrapes.

A rendering takes milliseconds of the processor that the election's thread wants, too.
So it is used again, for a moment and only while nothing happened: a scrape never shows
a state, a holder or a leader that is not so any more. Counts that change without that
(of requests to the API server, of seconds led) may be as old as that moment.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Final

from k8s_leader.observers.status import Snapshot, Status

__all__ = ["Exposition", "Render"]

Render = Callable[[bool], tuple[bytes, str]]
"""Renders metrics, as OpenMetrics if asked; returns them with their content type."""

_LASTS: Final = 0.1


class Exposition:
    """
    Answers scrapes of one candidacy.

    Args:
        status: of the candidacy.
        render: the metrics.
        lasts: seconds for which a rendering is used again.
    """

    def __init__(
        self, status: Status, render: Render, *, lasts: float = _LASTS
    ) -> None:
        self._status = status
        self._render = render
        self._lasts = lasts
        self._made_at = float("-inf")
        self._made_of: tuple[Snapshot, bool] | None = None
        self._made: dict[tuple[bool, bool], tuple[bytes, str]] = {}

    def __call__(self, *, openmetrics: bool, packed: bool) -> tuple[bytes, str]:
        """
        Return what a scrape is answered, and its content type.

        Args:
            openmetrics: in OpenMetrics instead of Prometheus' text format.
            packed: with gzip.
        """
        if not self._is_true():
            self._made.clear()
        if (openmetrics, packed) not in self._made:
            self._made[openmetrics, packed] = self._answer(openmetrics, packed)
        return self._made[openmetrics, packed]

    def _is_true(self) -> bool:
        """
        Tell whether what was made may be used again; if not, it is made from now on.
        """
        now, snapshot = self._status.clock.now(), self._status.now
        leads = snapshot.is_leader(now)
        if self._made_of is not None and now < self._made_at + self._lasts:
            before, led = self._made_of
            if before is snapshot and led is leads:
                return True
        self._made_at, self._made_of = now, (snapshot, leads)
        return False

    def _answer(self, openmetrics: bool, packed: bool) -> tuple[bytes, str]:
        body, kind = self._render(openmetrics)
        return (gzip.compress(body, compresslevel=1, mtime=0) if packed else body, kind)
