"""
The elector's log of its own election: one line per change, with its reason.
"""

from __future__ import annotations

import logging

from k8s_leader.election.events import State
from k8s_leader.log import LogContext
from k8s_leader.observers.port import Notice, StateChanged

__all__ = ["Narrator"]

_logger = logging.getLogger(__name__)

_SENTENCES = {
    State.LEADING: "leading: the workload is started",
    State.STOPPING: "stopping: the workload is told to stop, the lease is kept",
    State.LOSING: "leadership lost: the workload is stopped before the grant ends",
    State.RELEASING: "the workload is gone: the lease is released",
    State.STOPPED: "the candidacy is over",
}


class Narrator:
    """
    An observer that says what changed, and of which term every later line is.

    Args:
        context: of the log.
    """

    def __init__(self, context: LogContext) -> None:
        self._context = context

    def on_notice(self, notice: Notice) -> None:
        """
        Say a change of state; a candidate's routine only at DEBUG.
        """
        if isinstance(notice, StateChanged):
            self._context.term = notice.token
            level = logging.DEBUG if notice.is_routine else logging.INFO
            _logger.log(level, "%s", _sentence(notice))


def _sentence(change: StateChanged) -> str:
    reason = f" ({change.reason})" if change.reason else ""
    token = "" if change.token is None else f" token={change.token}"
    if change.after is State.STANDBY:
        who = change.holder or "nobody"
        return f"standby: {who} leads{reason}"
    if change.after is State.ACQUIRING:
        return f"trying to acquire{reason}"
    return f"{_SENTENCES[change.after]}{reason}{token}"
