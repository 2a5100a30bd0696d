"""
What a crowd, and the API server for it, use over a span of time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.processes import memory, processor

if TYPE_CHECKING:
    from bench.crowds import Crowd

__all__ = ["Load"]


class Load:
    """
    What crowd and API server use from now on.
    """

    def __init__(self, all_: Crowd) -> None:
        self._all = all_
        self._began = time.monotonic()
        self._used = self._processor()

    def _processor(self) -> tuple[float, float]:
        api = self._all.api
        return processor(self._all.pids), processor([api.server.pid, api.etcd.pid])

    def so_far(self, prefix: str) -> dict[str, list[float]]:
        """
        Return processor time in per cent of one core, and the memory now.
        """
        spent = time.monotonic() - self._began
        own, api = (
            100 * (now - then) / spent
            for now, then in zip(self._processor(), self._used, strict=True)
        )
        return {
            f"{prefix}_rss": [memory(self._all.pids).rss],
            f"{prefix}_cpu": [own],
            f"{prefix}_api_cpu": [api],
        }
