"""
What is worth a line in ``watch``.
"""

from __future__ import annotations

import json
from dataclasses import replace

from k8s_leader.cli.watched import Told, Watched
from k8s_leader.election.record import Record, Stored, micro_time
from k8s_leader.leases.port import Sighting

LED = Record(
    holder="a_1",
    duration=15.0,
    acquire_time=micro_time(1000.0),
    renew_time=micro_time(1000.0),
    transitions=1,
    our_holder="a_1",
)
RENEWED = replace(LED, renew_time=micro_time(1003.0))
RELEASED = replace(RENEWED, holder="", duration=1.0, released_by="a_1")


def seen(watched: Watched, record: Record | None, *, why: str = "") -> Told | None:
    stored = None if record is None else Stored(record=record, uid="u", version=1)
    entry = {"at": "", "who": "", "what": "acquired", "why": why, "term": 1}
    if record is not None and record.is_free:
        entry["what"] = "released"
    return watched.seen(
        Sighting(stored=stored),
        notes={"k8s-leader.io/history": json.dumps([entry])} if why else {},
        now=50.0,
        wall=2000.0,
    )


def what(told: Told | None) -> str | None:
    return told.what if told else None


def test_each_change_of_hands_is_a_line_and_a_renewal_is_none() -> None:
    watched = Watched()
    taken = replace(LED, holder="b_1", acquire_time=micro_time(1005.0), transitions=2)
    records = (LED, RENEWED, RELEASED, RELEASED, taken, None, None, LED)
    assert [what(seen(watched, record)) for record in records] == [
        *("led", None, "released", None, "acquired", "deleted", None, "acquired")
    ]


def test_a_new_term_of_the_same_holder_is_a_change() -> None:
    watched = Watched()
    seen(watched, LED)
    again = replace(LED, acquire_time=micro_time(1009.0))
    assert what(seen(watched, again)) == "acquired"


def test_the_noted_reason_is_told_only_for_the_state_it_is_about() -> None:
    assert (seen(Watched(), LED, why="it was free") or Told(at="", what="")).why
    other = replace(LED, transitions=9)
    told = seen(Watched(), other, why="it was free")
    assert told is not None
    assert told.why == ""


def test_silence_is_told_once_and_ends_with_the_next_renewal() -> None:
    watched = Watched()
    seen(watched, LED)
    expiries = [watched.expires_at]
    assert what(watched.silent(wall=2000.0)) == "silent"
    expiries.append(watched.expires_at)
    assert what(seen(watched, RENEWED)) == "renewing"
    expiries.append(watched.expires_at)
    assert expiries == [65.0, None, 65.0]


def test_a_pause_and_its_end_are_told() -> None:
    watched = Watched()
    seen(watched, LED)
    paused = replace(RENEWED, paused="true")
    assert what(seen(watched, paused)) == "paused"
    assert what(seen(watched, replace(paused, renew_time=micro_time(1006.0)))) is None
    assert what(seen(watched, RENEWED)) == "resumed"


def test_a_broken_watch_is_told_and_proves_no_silence() -> None:
    watched = Watched()
    seen(watched, LED)
    told = watched.seen(Sighting(blind=True), notes={}, now=51.0, wall=2000.0)
    assert what(told) == "blind"
    assert watched.expires_at is None


def test_a_line_cannot_steer_the_terminal() -> None:
    told = seen(Watched(), replace(LED, holder="a\x1b[2J"))
    assert "\x1b" not in str(told)
