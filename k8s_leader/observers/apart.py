"""
Observers of users: each is told in a thread of its own, never in the election's.

Guarantees: what one does (raise, block, hang for ever) neither delays the election nor
another observer; each is told in order. Not guaranteed: that it is told everything. It
may be this many notices behind: what does not fit is left out, and the log says so.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import Final

from k8s_leader.observers.port import Notice, Observer

__all__ = ["LONGEST", "Apart", "finish"]

_logger = logging.getLogger(__name__)

LONGEST: Final = 1024
"""Notices that an observer may be behind: a leader has some 40 a minute."""


class Apart:
    """
    Tells one observer, in a thread that begins with the first notice.

    Args:
        observer: of a user.
        longest: notices that it may be behind.
    """

    def __init__(self, observer: Observer, *, longest: int = LONGEST) -> None:
        self._observer = observer
        self._waiting: queue.Queue[Notice | None] = queue.Queue(longest)
        self._is_behind = False
        self._thread = threading.Thread(
            target=self._tell, name="k8s-leader-observer", daemon=True
        )

    def on_notice(self, notice: Notice) -> None:
        """
        Put it into the observer's queue; returns at once.
        """
        if self._thread.ident is None:
            self._thread.start()
        try:
            self._waiting.put_nowait(notice)
        except queue.Full:
            if not self._is_behind:
                _logger.warning("%r hangs: it is not told everything", self._observer)
            self._is_behind = True
        else:
            self._is_behind = self._is_behind and self._waiting.qsize() > 1

    def end(self) -> None:
        """
        Have the thread end when it has told what waits.
        """
        while True:
            try:
                self._waiting.put_nowait(None)
            except queue.Full:  # the end matters more than the oldest notice
                with contextlib.suppress(queue.Empty):
                    self._waiting.get_nowait()
            else:
                return

    def join(self, *, until: float) -> bool:
        """
        Wait for that; tell whether it ended.

        Args:
            until: seconds on ``time.monotonic`` after which it is left behind.
        """
        if self._thread.ident is None:
            return True
        self._thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive()

    def _tell(self) -> None:
        while (notice := self._waiting.get()) is not None:
            try:
                self._observer.on_notice(notice)
            except Exception:
                _logger.exception("an observer failed; the election goes on")


def finish(observers: Sequence[Apart], *, patience: float) -> None:
    """
    Wait until all were told everything, at most ``patience`` seconds.
    """
    until = time.monotonic() + patience
    for observer in observers:
        observer.end()
    late = [observer for observer in observers if not observer.join(until=until)]
    if late:
        _logger.warning("left behind: %s of users' observers hang", len(late))
