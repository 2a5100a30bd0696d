"""
Streams of events: the status first, then every change and nothing else.
"""

from __future__ import annotations

import socket

from k8s_leader.election.events import State
from k8s_leader.observers.port import (
    HolderSeen,
    Notice,
    RequestDone,
    StateChanged,
    WorkloadExited,
    WorkloadStarted,
)
from tests.helpers.candidate import wait_until
from tests.helpers.http import ask, events
from tests.unit.web.conftest import Serve, Served


def changed(before: State, after: State) -> StateChanged:
    return StateChanged(before=before, after=after, reason="", token=7, holder="a_1")


def tell(served: Served, *notices: Notice) -> None:
    for notice in notices:
        served.feed.on_notice(notice)


def test_the_status_comes_first_then_changes_and_no_renewal(served: Served) -> None:
    served.story.lead()
    stream = events(served.port)
    kind, status = next(stream)
    assert (kind, status["state"], status["holder"]) == ("status", "leading", "a_1")
    tell(
        served,
        RequestDone(operation="renew", seconds=0.01, left=10.0),
        changed(State.STANDBY, State.ACQUIRING),
        changed(State.ACQUIRING, State.STANDBY),
        changed(State.ACQUIRING, State.LEADING),
        WorkloadStarted(token=7, pid=42),
        changed(State.LEADING, State.STOPPING),
        WorkloadExited(token=7, code=143),
        HolderSeen(holder=""),
    )
    seen = [next(stream) for _ in range(5)]
    assert {kind for kind, _ in seen} == {"change"}
    assert [data["change"] for _, data in seen] == [
        "state",
        "workload-started",
        "state",
        "workload-exited",
        "holder",
    ]
    assert (seen[0][1]["before"], seen[0][1]["state"]) == ("acquiring", "leading")
    stream.close()  # type: ignore[attr-defined]


def test_more_streams_than_allowed_are_refused_and_a_place_comes_free(
    serve: Serve,
) -> None:
    served = serve(streams=1)
    first = events(served.port)
    next(first)
    answer = ask(served.port, "/events")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    first.close()  # type: ignore[attr-defined]
    wait_until(lambda: not served.feed.is_full, why="the place is free")
    second = events(served.port)
    assert next(second)[0] == "status"
    second.close()  # type: ignore[attr-defined]


def test_a_reader_that_does_not_read_is_cut_off(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
        quick = events(served.port)
        next(quick)

        while len(served.feed._streams) > 1:
            tell(served, *[HolderSeen(holder="x" * 20_000)] * 30)
            assert [next(quick)[0] for _ in range(30)] == ["change"] * 30
    quick.close()  # type: ignore[attr-defined]


def test_head_of_the_stream_ends_at_once(served: Served) -> None:
    assert ask(served.port, "/events", method="HEAD").status == 200
    assert not served.feed._streams


def test_without_readers_nothing_is_kept(served: Served) -> None:
    tell(served, HolderSeen(holder="b_2"))
    stream = events(served.port)
    next(stream)
    tell(served, HolderSeen(holder="c_3"))
    assert next(stream)[1]["holder"] == "c_3"
    stream.close()  # type: ignore[attr-defined]
