"""
When a change of hands is one too many.
"""

from __future__ import annotations

from typing import Any

from k8s_leader.kube.events import Event
from k8s_leader.operator.flapping import Flapping, Flaps
from k8s_leader.testing.clock import FakeClock
from tests.unit.operator.objects import lease


class Sink:
    def __init__(self) -> None:
        self.events: list[Event] = []

    async def create(self, event: Event, *, timeout: float) -> None:
        self.events.append(event)


def at(transitions: int) -> dict[str, Any]:
    made = lease()
    made["spec"]["leaseTransitions"] = transitions
    return made


def test_four_changes_in_the_window_are_healthy_and_the_fifth_is_said_once() -> None:
    flaps = Flaps(most=4, window=900)
    said = [flaps.see(n, now=float(n)) for n in range(3, 10)]
    assert said == [0, 0, 0, 0, 0, 5, 0]


def test_changes_that_the_watch_did_not_show_count() -> None:
    flaps = Flaps(most=4, window=900)
    assert flaps.see(3, now=0) == 0
    assert flaps.see(12, now=1) == 9


def test_slow_changes_are_none_and_a_window_later_it_is_said_again() -> None:
    flaps = Flaps(most=2, window=100)
    assert not any(flaps.see(n, now=n * 50.0) for n in range(20))
    assert flaps.see(30, now=1000) == 12
    assert flaps.see(31, now=1099) == 0
    assert flaps.see(40, now=1100) == 10


def test_a_renewal_is_no_change_and_keeps_nothing() -> None:
    flaps = Flaps(most=2, window=100)
    assert not any(flaps.see(7, now=float(n)) for n in range(1000))
    assert len(flaps._seen) == 1


def test_a_lease_made_anew_counts_from_the_beginning() -> None:
    flaps = Flaps(most=2, window=100)
    flaps.see(50, now=0)
    assert flaps.see(0, now=1) == 0
    assert flaps.see(3, now=2) == 3


async def test_the_event_is_a_warning_about_this_very_lease() -> None:
    sink = Sink()
    flapping = Flapping(sink, clock=FakeClock())
    for transitions in (3, 9, 10):
        await flapping.lease_changed(at(transitions))
    (event,) = sink.events
    assert (event.kind, event.reason) == ("Warning", "LeaderFlapping")
    assert (event.about.kind, event.about.uid) == ("Lease", "lease-uid")
    assert event.message == "the leader changed 6 times within 15 minutes"
    await flapping.lease_deleted(at(10))
    assert flapping._flaps == {}
