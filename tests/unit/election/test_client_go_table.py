"""
The rows of client-go's own leader election tests, by name, against our rule.

Each row: what is in the lease and what was seen before; whether it is taken, and with
how many transitions. Where our rule is stricter the row says so. Rows about API calls
and fast paths are the lease managers' business; docs/client-go-tests.md has all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from k8s_leader.election.observation import Kept, Observation, Take, judge_own
from k8s_leader.election.record import (
    Record,
    Stored,
    TermId,
    claim,
    release,
    renewal,
)

NOW = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    record: Record | None
    seen_at: float = NOW
    taken: bool = True
    transitions: int = 1
    own: float = 10.0


TRY_ACQUIRE_OR_RENEW = (
    Row(name="1 acquire from no object", record=None, transitions=0),
    Row(name="2 acquire from object without annotations", record=Record()),
    Row(
        name="3 acquire from led object with the lease duration seconds, too early",
        record=Record(holder="bing", duration=3.0),
        seen_at=NOW - 2.9,
        taken=False,
    ),
    Row(
        name="3 acquire from led object with the lease duration seconds",
        record=Record(holder="bing", duration=3.0),
        seen_at=NOW - 3.0,
    ),
    Row(
        name="4 acquire from unled object",
        record=Record(holder="", duration=0.0, acquire_time="", renew_time=""),
    ),
    Row(
        name="5 acquire from led, unacked object",
        record=Record(holder="bing"),
        seen_at=NOW - 1000.0,
    ),
    Row(
        name="6 acquire from empty led, acked object",
        record=Record(holder=""),
        seen_at=NOW + 1000.0,
    ),
    Row(
        name="7 don't acquire from led, acked object",
        record=Record(holder="bing"),
        taken=False,
    ),
    Row(
        name="7 don't acquire from led, acked object (stricter: nor later)",
        record=Record(holder="bing"),
        seen_at=NOW - 9.9,
        taken=False,
    ),
    Row(
        name="9 don't acquire from led, acked object, coordinated",
        record=Record(holder="bing", strategy="OldestEmulationVersion"),
        seen_at=NOW - 1000.0,
        taken=False,
    ),
)


@pytest.mark.parametrize("row", TRY_ACQUIRE_OR_RENEW, ids=lambda row: row.name)
def test_try_acquire_or_renew(row: Row) -> None:
    stored = None
    if row.record is not None:
        stored = Stored(record=row.record, uid="u", version=1)
    seen = Observation(own_duration=row.own).observe(stored, at=row.seen_at)
    verdict = seen.decide(identity="baz", mine=None, now=NOW)
    assert isinstance(verdict, Take) == row.taken
    if isinstance(verdict, Take):
        over = None if verdict.over is None else verdict.over.record
        written = claim(over, identity="baz", duration=10.0, wall=1e9)
        assert (written.holder, written.transitions) == ("baz", row.transitions)


def held() -> tuple[Record, TermId]:
    record = claim(None, identity="baz", duration=10.0, wall=1e9)
    acquired = record.acquire_time or ""
    return record, TermId(identity="baz", uid="u", acquire_time=acquired, transitions=0)


def test_8_renew_already_acquired_object() -> None:
    record, term = held()
    assert judge_own(term, Stored(record=record, uid="u", version=1)) == Kept(
        duration=10.0
    )
    after = renewal(record, duration=10.0, wall=1e9 + 2, token=1)
    assert (after.transitions, after.acquire_time) == (0, record.acquire_time)


def test_12_release_acquired_lock_from_no_object() -> None:
    record, _ = held()
    freed = release(record, wall=1e9 + 2)
    assert (freed.holder, freed.transitions, freed.duration) == ("", 0, 1.0)
