"""
Each rule of sharing one Lease with client-go, on what its unmodified elector did.

docs/interop.md has the rules, and names these tests; another test keeps it whole.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from bench.audit import requests_between
from tests.helpers.cluster import LEASE_RULES, ApiServer
from tests.integration.interop.story import DURATION, TOKEN, Story

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

pytestmark = [pytest.mark.kube, pytest.mark.slow, pytest.mark.xdist_group("interop")]

OURS = re.compile(r"[ab]_[0-9a-f-]{36}")
LOOK = 1.3
"""Who looks so many seconds later sees another second; 0.3 for a busy machine."""
MARKER = "k8s-leader.io/released-by"


@pytest.fixture(scope="module")
def story(
    cluster_binary: Path, lifeline: Lifeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    with ApiServer(cluster_binary, audit="Request") as api:
        folder = tmp_path_factory.mktemp("interop")
        yield Story(api, folder=folder, lifeline=lifeline)


def spec(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["spec"]
    return found


def holder(body: dict[str, Any]) -> str:
    return spec(body).get("holderIdentity") or ""


def notes(body: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = body["metadata"].get("annotations") or {}
    return found


def label(body: dict[str, Any]) -> str | None:
    found: str | None = (body["metadata"].get("labels") or {}).get("team")
    return found


def written(story: Story, account: str) -> list[tuple[float, dict[str, Any]]]:
    """
    Return what a candidate wrote, with the time at which the API server was asked.
    """
    return [
        (
            datetime.fromisoformat(each["requestReceivedTimestamp"]).timestamp(),
            each["requestObject"],
        )
        for each in story.of(account)
        if each["verb"] == "update" and each["responseStatus"]["code"] == 200
    ]


@pytest.mark.timeout(240)
def test_rule_1_every_write_replaces_the_version_that_was_judged(story: Story) -> None:
    ours = story.of("ours-a") + story.of("ours-b")
    verbs = Counter(event["verb"] for event in ours)
    assert set(verbs) <= {"create", "get", "list", "watch", "update"}, verbs
    assert verbs["update"] > 5
    seen = {body["metadata"]["resourceVersion"] for _, body in story.bodies}
    for each in (event for event in ours if event["verb"] == "update"):
        assert each["responseStatus"]["code"] in (200, 409)
        assert each["requestObject"]["metadata"]["resourceVersion"] in seen


def test_rule_2_all_five_fields_are_written_and_client_go_reads_them(
    story: Story,
) -> None:
    held = [spec(body) for _, body in story.bodies if OURS.fullmatch(holder(body))]
    assert held
    for each in held:
        assert each["leaseDurationSeconds"] == DURATION
        assert {"acquireTime", "renewTime", "leaseTransitions"} <= set(each)
    assert OURS.fullmatch(story.told[0]), story.told


def test_rule_3_times_have_six_digits_and_client_go_reads_them(story: Story) -> None:
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
    for _, body in story.bodies:
        if OURS.fullmatch(holder(body)) or MARKER in notes(body):
            assert form.fullmatch(spec(body)["acquireTime"])
            assert form.fullmatch(spec(body)["renewTime"])
    assert not story.led_before_the_end


def test_rule_4_what_client_go_released_is_free_at_once(story: Story) -> None:
    (freed, before), (taken, after) = next(
        pair
        for pair in story.changes()
        if not holder(pair[0][1]) and holder(pair[1][1])
    )
    assert spec(before)["leaseDurationSeconds"] == 1
    assert MARKER not in notes(before)
    assert OURS.fullmatch(holder(after))
    assert taken - freed < 1.0  # client-go itself looks every 1 to 2.2 s


def test_rule_5_a_silent_client_go_is_waited_for_by_our_own_clock(
    story: Story,
) -> None:
    last = max(at for at, body in written(story, "go-go") if holder(body) == "go")
    taken = min(at for at, body in written(story, "ours-b"))
    assert DURATION - 0.05 <= taken - last < DURATION + 2.5


def test_rule_6_client_go_sees_renewals_and_never_thinks_that_ours_expired(
    story: Story,
) -> None:
    assert not story.led_before_the_end  # it stood by for longer than a lease
    # When each renewTime was seen first: an edit of a label repeats it.
    written: dict[str, tuple[float, dict[str, Any]]] = {}
    for at, body in story.bodies:
        if OURS.fullmatch(holder(body)):
            written.setdefault(spec(body)["renewTime"], (at, body))
    held = list(written.values())
    compared = 0
    for at, body in held:
        mine = [
            x for x in held if spec(x[1])["acquireTime"] == spec(body)["acquireTime"]
        ]
        later = next((x for seen, x in mine if seen - at >= LOOK), None)
        if later is not None:
            compared += 1
            assert spec(later)["renewTime"][:19] > spec(body)["renewTime"][:19]
    assert compared > 5


def test_rule_7_transitions_count_take_overs_of_both_sides(story: Story) -> None:
    assert spec(story.bodies[0][1])["leaseTransitions"] == 0  # client-go made it
    for (_, before), (_, after) in story.changes():
        grown = spec(after)["leaseTransitions"] - spec(before)["leaseTransitions"]
        taken = holder(after) and holder(after) != holder(before)
        assert grown == (1 if taken else 0), (before, after)
        moved = spec(after)["acquireTime"] != spec(before)["acquireTime"]
        assert moved == (holder(after) != holder(before))


def test_rule_8_our_release_is_client_gos_with_a_marker(story: Story) -> None:
    _, before = next(pair[0] for pair in story.changes() if MARKER in notes(pair[1][1]))
    released_at, after = next(x for x in story.bodies if MARKER in notes(x[1]))
    assert holder(after) == ""
    assert notes(after)[MARKER] == holder(before)
    assert spec(after)["leaseDurationSeconds"] == 1
    assert spec(after)["acquireTime"] == spec(after)["renewTime"]
    assert spec(after)["leaseTransitions"] == spec(before)["leaseTransitions"]
    assert len({body["metadata"]["uid"] for _, body in story.bodies}) == 1
    # client-go takes it at its next look, long before the lease would have ended.
    assert story.marks["go_leads"] - released_at < 3.0


def test_rule_9_a_client_go_whose_name_begins_ours_is_somebody_else(
    story: Story,
) -> None:
    holders = [holder(body) for _, body in story.bodies]
    first = next(i for i, name in enumerate(holders) if OURS.fullmatch(name))
    assert set(holders[:first]) == {"a", ""}
    assert holders[first].startswith("a_")
    assert holders[first - 1] == ""  # it was given up before


def test_rule_10_a_record_that_client_go_blanked_ends_the_term_at_once(
    story: Story,
) -> None:
    index = next(
        i
        for i, ((_, before), (_, after)) in enumerate(story.changes())
        if OURS.fullmatch(holder(before)) and not holder(after)
        if MARKER not in notes(after)
    )
    blanked, _ = story.bodies[index + 1]
    token = story.tokens[1]
    last = [entry for entry in story.entries if entry.token == token][-1]
    assert last.at < blanked + 0.5
    again = next(entry for entry in story.entries if entry.token == story.tokens[2])
    assert again.at > last.at


def test_rule_10_an_edit_of_a_label_costs_no_term(story: Story) -> None:
    edited = next(at for at, body in story.bodies if label(body) == "y")
    first = [entry for entry in story.entries if entry.token == story.tokens[0]]
    assert first[-1].at > edited + DURATION


def test_rule_11_what_others_wrote_survives_the_writes_of_both(story: Story) -> None:
    last = story.bodies[-1][1]
    assert last["metadata"]["labels"]["team"] == "y"
    assert notes(last)["note"] == "keep"


def test_rule_12_tokens_grow_over_the_terms_of_client_go(story: Story) -> None:
    tokens = story.tokens
    assert len(tokens) == 3
    assert tokens == sorted(set(tokens))
    published = [int(n[TOKEN]) for _, b in story.bodies if TOKEN in (n := notes(b))]
    assert published == sorted(published)
    assert set(tokens) <= set(published)


def test_rule_13_the_documented_rights_are_enough(story: Story) -> None:
    allowed = set(LEASE_RULES[0]["verbs"])
    for event in story.of("ours-a") + story.of("ours-b"):
        assert event["verb"] in allowed
        assert event["responseStatus"]["code"] not in (401, 403)


def test_rule_15_a_standby_of_ours_asks_less_than_one_of_client_go(
    story: Story,
) -> None:
    def per_minute(account: str, who: str) -> float:
        user = story.of(account)[0]["user"]["username"]
        begin, end = story.marks[f"{who}_stands_by"], story.marks[f"{who}_stood_by"]
        return sum(
            requests_between(story.requests, user=user, begin=begin, end=end).values()
        )

    theirs = per_minute("go-go", "go")
    assert theirs >= 20  # a look every 1 to 2.2 s
    assert per_minute("ours-a", "ours") < theirs / 2
