"""
Lease managers that behave badly, for ``manager=``.

A renewal that is refused is a stolen lease: what works under the term is killed with
its process, the test's. So use them with ``on_loss="carry-on"``, or in a process of
their own.
"""

from __future__ import annotations

__all__ = ["FailingManager", "FlipFlopManager"]


class FlipFlopManager:
    """
    Gives the lease at once, and takes each term away again.

    Args:
        renewals: how many renewals of a term are confirmed before one is refused.

    Attributes:
        terms: how many terms were given.
    """

    def __init__(self, *, renewals: int = 0) -> None:
        self.terms = 0
        self._renewals = renewals
        self._left = 0

    async def acquire(self, identity: str, duration: float) -> bool:
        """
        Give a new term.
        """
        self.terms += 1
        self._left = self._renewals
        return True

    async def renew(self, identity: str, duration: float) -> bool:
        """
        Refuse when the confirmed renewals are used up.
        """
        self._left -= 1
        return self._left >= 0

    async def release(self, identity: str) -> bool:
        """
        Agree.
        """
        return True


class FailingManager:
    """
    Raises: the store cannot be reached.

    Args:
        after: how many calls succeed first; 0: it never gives the lease.
        error: what it raises.

    Attributes:
        failing: set it to end or to begin the outage.
        calls: how many there were.
    """

    def __init__(self, *, after: int = 0, error: Exception | None = None) -> None:
        self.failing = True
        self.calls = 0
        self._after = after
        self._error = error or ConnectionError("the store of the test is away")

    async def acquire(self, identity: str, duration: float) -> bool:
        """
        Succeed or raise.
        """
        return self._answer()

    async def renew(self, identity: str, duration: float) -> bool:
        """
        Succeed or raise.
        """
        return self._answer()

    async def release(self, identity: str) -> bool:
        """
        Succeed or raise.
        """
        return self._answer()

    def _answer(self) -> bool:
        self.calls += 1
        if self.failing and self.calls > self._after:
            raise self._error
        return True
