from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from k8s_leader.observers.gathering import Gathering, answer
from k8s_leader.settings import HttpAddress
from k8s_leader.web.feed import Feed
from k8s_leader.web.health import Check
from k8s_leader.web.listen import listen
from k8s_leader.web.pages import Pages
from k8s_leader.web.server import HttpServer
from tests.helpers.notices import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """
    A story that is served.
    """

    port: int
    story: Story
    feed: Feed
    checks: dict[str, Check]
    pages: list[Pages]


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """
    Serves a story on a free port of its own, until the test is over.
    """
    servers: list[HttpServer] = []

    def start(
        *, peers: Callable[[], object] | None = None, streams: int = 32
    ) -> Served:
        listening = listen(HttpAddress(port=0))
        port = listening.getsockname()[1]
        story, collector, made = Story(), Gathering(), list[Pages]()
        feed, checks = Feed(most=streams), dict[str, Check]()
        collector.add(story.tally)

        def make_pages() -> Pages:
            pages = Pages(
                story.status,
                feed=feed,
                checks=checks,
                render=lambda openmetrics: answer(collector, openmetrics=openmetrics),
                version="1.2.3",
                peers=peers,
            )
            made.append(pages)
            return pages

        server = HttpServer(listening, make_pages=make_pages)
        server.start()
        servers.append(server)
        return Served(port=port, story=story, feed=feed, checks=checks, pages=made)

    yield start
    for server in servers:
        server.close(10)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()
