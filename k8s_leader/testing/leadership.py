"""
A lease in memory whose holder the test decides.
"""

from __future__ import annotations

import uuid

from k8s_leader.leases.memory import process_lease

__all__ = ["Leadership"]

_NOBODY = "nobody"


class Leadership:
    """
    Grants and takes away leadership; a cluster in memory for several candidates.

    Hand :attr:`lease` to the code under test. Real elections run, so everything
    happens as in production, but for the store: a leader that is to stop is stopped
    voluntarily, and only after its end another one leads.

    Args:
        granted: whether leadership is to be had from the start.

    Attributes:
        lease: what the code under test takes as its ``lease``.
    """

    def __init__(self, *, granted: bool = False) -> None:
        name = f"test-{uuid.uuid4()}"
        self.lease = f"memory:{name}"
        self._row = process_lease(name)
        if not granted:
            self.take_away()

    @property
    def holder(self) -> str:
        """
        Return the identity that leads; ``""`` for nobody.
        """
        return self._row.holder

    def grant(self, identity: str | None = None) -> None:
        """
        Let this candidate lead, or whichever comes first; a present leader steps down.

        Args:
            identity: ``candidate.identity``; ``None``: any.
        """
        self._row.assign_leader(identity)

    def take_away(self) -> None:
        """
        Have the leader step down, and let nobody lead until :meth:`grant`.
        """
        self._row.assign_leader(_NOBODY)
