"""
Says in an Event that the leader of a Lease keeps changing.

Counted by the record's ``leaseTransitions``, so that changes which the watch did not
show one by one count as well.
"""

from __future__ import annotations

import logging
import time
from collections import deque

from k8s_leader.clock import Clock
from k8s_leader.errors import LeaseError
from k8s_leader.kube.events import Event, ObjectRef
from k8s_leader.leases.kubernetes import parse
from k8s_leader.observers.cluster.complaint import Complaint
from k8s_leader.observers.cluster.event_writer import EventSink
from k8s_leader.operator.duty import Duty
from k8s_leader.operator.view import Body, Key, key_of

__all__ = ["FLAPPING", "Flapping", "Flaps"]

_logger = logging.getLogger(__name__)

FLAPPING = "LeaderFlapping"
"""Reason of the Event."""

_TIMEOUT = 3.0


class Flaps:
    """
    Counts how often one Lease changed hands of late.

    Args:
        most: changes within the window that are still healthy.
        window: seconds.
    """

    def __init__(self, *, most: int = 4, window: float = 900.0) -> None:
        self._most = most
        self._window = window
        self._seen: deque[tuple[float, int]] = deque()
        self._quiet_until = float("-inf")

    def see(self, transitions: int, *, now: float) -> int:
        """
        Return how often it changed hands in the window, if that is to be said; else 0.

        It is said once in a window. A count that falls is another Lease's.
        """
        if self._seen and transitions < self._seen[-1][1]:
            self._seen.clear()
        if not self._seen or transitions > self._seen[-1][1]:
            self._seen.append((now, transitions))
        while len(self._seen) > 1 and self._seen[1][0] <= now - self._window:
            self._seen.popleft()
        changes = transitions - self._seen[0][1]
        if changes <= self._most or now < self._quiet_until:
            return 0
        self._quiet_until = now + self._window
        return changes

    @property
    def window(self) -> float:
        """
        Return the window in seconds.
        """
        return self._window


class Flapping(Duty):
    """
    Writes a Warning about each Lease that flaps, once in a quarter of an hour.

    Args:
        events: writes it.
        clock: for the window, and for the time of the Event.
    """

    def __init__(self, events: EventSink, *, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._flaps: dict[Key, Flaps] = {}
        self._complaint = Complaint("writing Events", switch="--no-events")

    async def lease_changed(self, lease: Body) -> None:
        """
        Count its changes of hands.
        """
        flaps = self._flaps.setdefault(key_of(lease), Flaps())
        transitions = parse(lease).record.transitions
        changes = flaps.see(transitions, now=self._clock.now())
        if changes:
            minutes = flaps.window / 60
            said = f"the leader changed {changes} times within {minutes:.0f} minutes"
            _logger.warning("%s/%s: %s", *key_of(lease), said)
            await self._say(lease, said)

    async def lease_deleted(self, lease: Body) -> None:
        """
        Forget it.
        """
        self._flaps.pop(key_of(lease), None)

    async def _say(self, lease: Body, said: str) -> None:
        namespace, name = key_of(lease)
        event = Event(
            about=ObjectRef(
                api_version="coordination.k8s.io/v1",
                kind="Lease",
                namespace=namespace,
                name=name,
                uid=str(lease["metadata"].get("uid", "")),
            ),
            kind="Warning",
            reason=FLAPPING,
            message=said,
            at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock.wall())),
            instance="k8s-leader-operator",
        )
        try:
            await self._events.create(event, timeout=_TIMEOUT)
        except LeaseError as error:
            self._complaint.failed(error)
        else:
            self._complaint.worked()
