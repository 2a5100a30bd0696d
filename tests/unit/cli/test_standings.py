"""
From a lease and its candidates to rows: who leads, whose it is, how long it lasts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from k8s_leader.app.lookout import View, view_of
from k8s_leader.cli.list_leases import list_lines, list_rows
from k8s_leader.cli.standings import document, owner, standings, status_lines
from k8s_leader.election.record import Record, micro_time
from k8s_leader.observers.cluster.candidates import Candidate
from k8s_leader.observers.cluster.names import Role

WALL = 1_800_000_000.0
HELD = Record(
    holder="a_1",
    duration=15.0,
    acquire_time=micro_time(WALL - 100),
    renew_time=micro_time(WALL - 2),
    transitions=4,
    our_holder="a_1",
    token=77,
)


def candidate(name: str, identity: str, **other: Any) -> Candidate:
    facts = {
        "identity": identity,
        "namespace": "prod",
        "pod": name,
        "uid": f"uid-{name}",
        "node": "n1",
        "address": "",
        "role": Role.STANDBY,
        "ready": True,
        "leaving": False,
        "version": "1.0",
    }
    return Candidate(**{**facts, **other})


def view(record: Record = HELD, **other: Any) -> View:
    facts = {
        "store": "kubernetes",
        "namespace": "prod",
        "lease": "reports",
        "record": record,
    }
    return View(**{**facts, **other})


def test_the_record_decides_who_leads_not_the_label() -> None:
    seen = view(
        candidates=[candidate("b", "b_1", role=Role.LEADER), candidate("z", "a_1")]
    )
    assert [(one.role, one.pod) for one in standings(seen)] == [
        ("leader", "z"),
        ("standby", "b"),
    ]


def test_a_holder_without_a_pod_is_shown_with_what_it_noted() -> None:
    notes = {"k8s-leader.io/pod": "prod/a", "k8s-leader.io/node": "n9"}
    (leader,) = standings(view(notes=notes))
    assert (leader.role, leader.pod, leader.node) == ("leader", "a", "n9")


def test_notes_of_ours_are_not_taken_for_a_foreign_holders() -> None:
    notes = {"k8s-leader.io/pod": "prod/a"}
    foreign = replace(HELD, holder="other")
    (leader,) = standings(view(foreign, notes=notes))
    assert (leader.identity, leader.pod) == ("other", "")


@pytest.mark.parametrize(
    ("record", "whose"),
    [
        (HELD, "ours"),
        (replace(HELD, holder="other"), "foreign"),
        (replace(HELD, holder=""), "free"),
        (Record(), "free"),
    ],
)
def test_a_lease_is_ours_foreign_or_free(record: Record, whose: str) -> None:
    assert owner(record) == whose


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (HELD, "renewed 2.0s ago, 13.0s of 15.0s left"),
        (replace(HELD, renew_time=micro_time(WALL - 20)), "EXPIRED 5.0s ago"),
        (replace(HELD, renew_time=micro_time(WALL + 1)), "15.0s of 15.0s left"),
        (replace(HELD, renew_time="yesterday"), "for how long is not said"),
        (replace(HELD, holder="x"), "another elector's candidate"),
        (replace(HELD, holder="", released_by="a_1"), "released by a_1"),
        (Record(), "nobody leads"),
    ],
)
def test_the_first_line_says_who_leads_and_for_how_long(
    record: Record, said: str
) -> None:
    assert said in status_lines(view(record), wall=WALL)[0]


def test_scripts_get_numbers_and_nulls() -> None:
    found = document(view(), wall=WALL)
    assert found["seconds_left"] == 13.0
    assert found["fencing_token"] == 77
    assert found["candidates_known"] is False
    free = document(view(Record()), wall=WALL)
    assert free["seconds_left"] is None
    assert free["candidates"] == []


def test_the_token_of_the_term_before_is_not_shown_as_this_ones() -> None:
    def shown(**changes: Any) -> object:
        seen = view(replace(HELD, **changes))
        return document(seen, wall=WALL)["fencing_token"]

    assert shown(renew_time=HELD.acquire_time) is None
    assert shown(holder="go_1") is None
    assert shown(holder="") == 77


def test_a_lease_written_by_hand_is_shown_as_far_as_it_goes() -> None:
    odd = {"metadata": {"name": "x", "namespace": "p"}, "spec": {"holderIdentity": 7}}
    assert "nobody leads" in status_lines(view_of(odd), wall=WALL)[0]


def test_the_list_is_sorted_and_marks_a_late_renewal() -> None:
    late = replace(HELD, renew_time=micro_time(WALL - 60))
    views = [view(late, lease="b"), view(lease="a")]
    lines = list_lines(list_rows(views, {("prod", "a"): 2}, wall=WALL))
    assert [line.split()[1] for line in lines] == ["LEASE", "a", "b"]
    assert lines[1].split()[-3:] == ["2s", "4", "2"]
    assert lines[2].split()[-3:] == ["(1m)", "4", "0"]


def test_priorities_are_shown_where_they_differ() -> None:
    alike = view(candidates=[candidate("a", "a_1"), candidate("b", "b_1")])
    assert "PRIORITY" not in "".join(status_lines(alike, wall=WALL))
    other = view(candidates=[candidate("a", "a_1"), candidate("b", "b_1", priority=0)])
    header, leader, standby = status_lines(other, wall=WALL)[-3:]
    assert header.endswith("PRIORITY")
    assert (leader.split()[-1], standby.split()[-1]) == ("10", "0")
    assert document(other, wall=WALL)["candidates"][1]["priority"] == 0


def test_unknown_numbers_of_candidates_are_no_zero() -> None:
    (row,) = list_rows([view()], None, wall=WALL)
    assert row["candidates"] is None
    assert list_lines([row])[1].endswith("?")
    assert list_lines([]) == ["there are no such Leases"]
