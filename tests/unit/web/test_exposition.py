"""
A rendering of the metrics is used again for a moment, and never for what changed.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from k8s_leader.election.events import State
from k8s_leader.observers.port import HolderSeen
from k8s_leader.web.exposition import Exposition
from tests.helpers.notices import Story


class Scraped:
    """
    An exposition that tells how often it renders.
    """

    def __init__(self) -> None:
        self.story = Story()
        self.times = 0
        self._exposition = Exposition(self.story.status, self._render)

    def _render(self, openmetrics: bool) -> tuple[bytes, str]:
        self.times += 1
        leads = self.story.status.is_leader
        return f"{leads} {openmetrics}".encode(), "kind"

    def __call__(self, *, openmetrics: bool = False, packed: bool = False) -> bytes:
        body, kind = self._exposition(openmetrics=openmetrics, packed=packed)
        assert kind == "kind"
        return body


def test_a_burst_of_scrapes_is_rendered_once() -> None:
    scraped = Scraped()
    assert {scraped() for _ in range(1000)} == {b"False False"}
    assert scraped.times == 1
    scraped.story.wait(0.2)
    scraped()
    assert scraped.times == 2


def test_each_format_is_rendered_for_itself() -> None:
    scraped = Scraped()
    for openmetrics in (False, True):
        plain = scraped(openmetrics=openmetrics)
        packed = scraped(openmetrics=openmetrics, packed=True)
        assert gzip.decompress(packed) == plain == f"False {openmetrics}".encode()


def test_the_end_of_a_grant_is_seen_at_once() -> None:
    scraped = Scraped()
    grant = scraped.story.lead()
    scraped.story.clock.set(now=grant.until - 0.001)
    assert scraped() == b"True False"
    scraped.story.clock.set(now=grant.until)
    assert scraped() == b"False False"


@pytest.mark.parametrize(
    "happens",
    [
        lambda story: story.lead(),
        lambda story: story.tell(HolderSeen(holder="b_2")),
        lambda story: story.answer("renew", left=9.0),
        lambda story: story.answer("renew", error="LeaseUnavailableError"),
        lambda story: story.enter(State.STANDBY),
    ],
    ids=["lead", "holder", "renewal", "failure", "state"],
)
def test_whatever_happens_is_in_the_next_scrape(
    happens: Callable[[Story], object],
) -> None:
    scraped = Scraped()
    scraped()
    happens(scraped.story)
    scraped()
    assert scraped.times == 2
