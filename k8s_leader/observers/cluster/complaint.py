"""
Says once that something does not work, and once that it works again.
"""

from __future__ import annotations

import logging

from k8s_leader.errors import LeaseError, LeaseForbiddenError

__all__ = ["Complaint"]

_logger = logging.getLogger(__name__)


class Complaint:
    """
    One warning per cause, however often it happens.

    Args:
        what: what does not work, as the subject of a sentence.
        switch: the setting that turns it off.
    """

    def __init__(self, what: str, *, switch: str) -> None:
        self._what = what
        self._switch = switch
        self._said: set[str] = set()

    @property
    def is_standing(self) -> bool:
        """
        Tell whether it failed and did not work since.
        """
        return bool(self._said)

    def failed(self, error: LeaseError) -> None:
        """
        Take note of a failure.

        A missing right is told with the rule that grants it; it is never told twice.
        """
        kind = type(error).__name__
        level = logging.DEBUG if kind in self._said else logging.WARNING
        self._said.add(kind)
        hint = ""
        if isinstance(error, LeaseForbiddenError):
            hint = f"\n(or turn it off with {self._switch}; the election goes on)"
        _logger.log(level, "%s failed: %s%s", self._what, error, hint)

    def worked(self) -> None:
        """
        Take note of a success.
        """
        if self._said:
            self._said.clear()
            _logger.info("%s works again", self._what)
