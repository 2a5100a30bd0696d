"""
What a record says that a person should mend, told once and not at every look.
"""

from __future__ import annotations

import logging

from k8s_leader.election.orders import Nonsense, nonsense
from k8s_leader.election.record import Stored

__all__ = ["Complaints"]

_logger = logging.getLogger(__name__)

_ABSURD = 10
"""A holder that the record protects this many times our own duration is told of."""


class Complaints:
    """
    Logs them for one candidate; decides nothing.

    Args:
        identity: of the candidate, whose own records are never complained of.
    """

    def __init__(self, *, identity: str) -> None:
        self._identity = identity
        self._told_nonsense: tuple[Nonsense, ...] = ()
        self._told_absurd: tuple[str, float] | None = None

    def look_at(self, stored: Stored | None, *, ours: float) -> None:
        """
        Say what is new.

        Args:
            stored: what was read or watched.
            ours: our own lease duration in seconds.
        """
        odd = () if stored is None else nonsense(stored.record)
        for order in odd:
            if order not in self._told_nonsense:
                _logger.warning("the Lease's annotation %s", order)
        self._told_nonsense = odd
        self._tell_absurd(stored, ours)

    def _tell_absurd(self, stored: Stored | None, ours: float) -> None:
        """
        Say once that a holder's record keeps everybody out for very long.
        """
        if stored is None or stored.record.holder in ("", self._identity):
            self._told_absurd = None
            return
        holder, duration = stored.record.holder, stored.record.duration or 0.0
        limit = _ABSURD * max(ours, 1.0)
        if duration > limit and self._told_absurd != (holder, duration):
            _logger.warning(
                "%s holds the lease for %g s at a time, ours is %g s: if it dies, "
                "nobody leads for that long. Fix: give all candidates one "
                "--lease-duration, or edit the Lease's leaseDurationSeconds",
                holder,
                duration,
                ours,
            )
            self._told_absurd = (holder, duration)
