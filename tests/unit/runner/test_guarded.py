"""
The elector's end of the socket: what a guard that is deaf, gone or sudden does to it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator

import pytest

from k8s_leader.runner.guarded import GuardLink, Message


class Ends:
    """
    Both ends of the socket, and what the elector's heard.
    """

    def __init__(self) -> None:
        kind = socket.SOCK_SEQPACKET
        self.guard, self.elector = socket.socketpair(socket.AF_UNIX, kind)
        self.heard: list[Message] = []
        self.changed = asyncio.Event()
        self.ends = 0
        self.close_on: str | None = None

    def link(self) -> GuardLink:
        self.made = GuardLink(
            self.elector, on_message=self._on_message, on_end=self._on_end
        )
        return self.made

    def say(self, *kinds: str) -> None:
        for kind in kinds:
            self.guard.send(json.dumps({"type": kind}).encode())

    def _on_message(self, message: Message) -> None:
        self.heard.append(message)
        if message["type"] == self.close_on:
            self.made.close()
        self.changed.set()

    def _on_end(self) -> None:
        self.ends += 1
        self.changed.set()


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    found = Ends()
    yield found
    found.guard.close()
    found.elector.close()


async def test_a_guard_that_does_not_read_costs_the_message_not_the_elector(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    link = ends.link()
    with caplog.at_level(logging.ERROR):
        while not caplog.records:
            link.send("extend", padding="x" * 4096)
    assert "extend was dropped" in caplog.text
    link.close()


async def test_a_guard_that_is_gone_is_told_of_once(ends: Ends) -> None:
    link = ends.link()
    ends.guard.close()
    link.send("extend")
    link.send("extend")
    await asyncio.sleep(0)
    assert ends.ends == 1
    link.close()


async def test_a_guard_that_resets_the_connection_is_gone(ends: Ends) -> None:
    link = ends.link()
    link.send("never read")
    ends.guard.close()  # with something unread: not an end but a reset
    await asyncio.wait_for(ends.changed.wait(), 20)
    assert ends.ends == 1


async def test_after_it_was_closed_nothing_is_heard_any_more(ends: Ends) -> None:
    link = ends.link()
    ends.close_on = "stopping"
    ends.say("ping", "stopping", "ping")
    await asyncio.wait_for(ends.changed.wait(), 20)
    assert [message["type"] for message in ends.heard] == ["ping", "stopping"]
    link.close()
    link.send("pong")
    assert ends.ends == 0
