"""
The guard believes nothing: what an elector gone wrong says makes it stop sooner only.
"""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

from tests.helpers.scripted_elector import boot_time
from tests.integration.guard.harness import LONG, MILD, SHORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.scripted_elector import ScriptedElector
    from tests.integration.guard.harness import Guarded

OBEDIENT = ["sleep", "1000"]
STUBBORN = ["sh", "-c", "trap 'echo told' TERM; echo up; while :; do sleep 0.02; done"]


def too_late(elector: ScriptedElector) -> dict[str, Any]:
    return elector.grant(sent=boot_time() - 3600)


def from_the_future(elector: ScriptedElector) -> dict[str, Any]:
    return elector.grant(sent=boot_time() + 30)


def too_long(elector: ScriptedElector) -> dict[str, Any]:
    grant = elector.grant()
    return {**grant, "until": grant["until"] + 0.1}


def told_too_late(elector: ScriptedElector) -> dict[str, Any]:
    grant = elector.grant()
    return {**grant, "stop_at": grant["stop_at"] + 0.1}


BAD_TIMES = [
    (too_late, "came too late"),
    (from_the_future, "in the future"),
    (too_long, "more than the lease"),
    (told_too_late, "deadline is too late"),
]


def test_s9_each_grant_that_cannot_be_trusted_is_refused_and_starts_nothing(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["echo", "started"])
    elector = guard.meet()
    bad: list[tuple[dict[str, Any], str]] = [(f(elector), w) for f, w in BAD_TIMES]
    words: list[Any] = [None, "now", [], {}]
    bad += [({"sent": value}, "no times") for value in words]
    bad += [({"until": value}, "no times") for value in words]
    bad += [({"sent": float("nan")}, "future"), ({"until": float("inf")}, "more than")]
    bad += [({"stop_at": float("nan")}, "deadline")]
    tokens: list[Any] = [0, -1, 7.5, "7", None, True, []]
    bad += [({"token": token}, "fencing token") for token in tokens]
    bad += [({"env": ["A=1"]}, "malformed"), ({"transitions": None}, "malformed")]
    for changes, why in bad:
        elector.start(**changes)
        refused = elector.expect("refused")
        assert why in refused["reason"], changes
        assert refused["token"] == changes.get("token", 7)
    assert guard.said() == ""
    elector.start()
    assert guard.finish(elector) == 0
    assert guard.said() == "started\n"


def test_s9_an_extension_that_cannot_be_trusted_changes_nothing(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(OBEDIENT, flags=MILD)
    elector = guard.meet()
    began = elector.start()
    elector.expect("started")
    older = elector.grant(sent=began["sent"] - 0.1)
    bad: list[tuple[dict[str, Any], str]] = [(f(elector), w) for f, w in BAD_TIMES]
    bad += [({"token": 8}, "another term"), ({"token": None}, "another term")]
    bad += [(older, "older"), ({"until": "soon"}, "no times")]
    for changes, _ in bad:
        elector.extend(**changes)
    assert elector.expect("gone")["now"] < began["until"]
    elector.exit(0)
    assert guard.wait() in {143, 137}  # a busy machine may come to both at once
    lines = [line for line in guard.logged().splitlines() if "extend refused" in line]
    del bad[5]  # for the same reason as the one before: a flood is one line
    for line, (_, why) in zip(lines, bad, strict=True):
        assert why in line


def test_s15_a_second_start_is_refused_while_anything_of_the_first_lives(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(OBEDIENT)
    elector = guard.lead()
    elector.start(token=8)
    assert "not gone" in elector.expect("refused")["reason"]
    elector.stop(budget=20.0)
    elector.start(token=8)
    assert elector.expect("gone")["token"] == 7
    elector.start(token=8)  # now it may
    elector.expect("started")
    elector.stop(token=8)
    assert guard.finish(elector) == 137


def test_s15_a_guard_that_was_told_to_stop_starts_nothing_more(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["echo", "started"])
    elector = guard.meet()
    guard.send(signal.SIGTERM)
    elector.expect("stopping")
    elector.start()
    assert "stopping" in elector.expect("refused")["reason"]
    elector.exit(0)
    assert guard.wait() == 0
    assert guard.said() == ""


def test_s3_a_lost_term_is_killed_at_once_without_a_stop_signal(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(STUBBORN)
    elector = guard.lead()
    guard.await_said("up")
    told = boot_time()
    elector.stop(why="the record names somebody else", budget=0)
    assert elector.expect("gone")["now"] - told < 1.0
    elector.exit(0)
    assert guard.wait() == 137
    assert "told" not in guard.said()


def test_s2_a_loss_gives_the_budget_that_the_elector_names_and_no_more(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(STUBBORN)
    elector = guard.lead()
    guard.await_said("up")
    told = boot_time()
    elector.stop(budget=0.4)
    elector.stop(budget=30.0, why="more generous")
    assert 0.4 <= elector.expect("gone")["now"] - told < 1.5
    elector.exit(0)
    assert guard.wait() == 137
    assert guard.said() == "up\ntold\n"


def test_s9_a_senseless_budget_is_none(guarded: Callable[..., Guarded]) -> None:
    budgets: list[Any] = [-1, "long", None, float("nan"), [], float("inf")]
    guards = [guarded(STUBBORN, flags=MILD) for _ in budgets]
    electors = [guard.lead() for guard in guards]
    for guard in guards:
        guard.await_said("up")
    for elector, budget in zip(electors, budgets, strict=True):
        elector.stop(budget=budget)
    for guard, elector in zip(guards, electors, strict=True):
        assert guard.finish(elector) == 137


def test_a_stop_for_another_term_or_for_none_is_not_obeyed(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(OBEDIENT)
    elector = guard.meet()
    elector.stop()
    elector.start()
    elector.expect("started")
    elector.stop(token=8)
    guard.await_logged("stop refused: it is for another term")
    guard.await_survivor()
    elector.stop(budget=20)
    assert guard.finish(elector) == 143


def test_s4_a_voluntary_stop_outlives_the_grant_while_it_is_renewed(
    guarded: Callable[..., Guarded],
) -> None:
    """Renewing goes on for longer than any one grant, until the tree is gone."""
    slow = "trap 'sleep 3.2; exit 5' TERM; echo up; while :; do sleep 0.02; done"
    flags = (*SHORT, "--stop-timeout", "20s")
    guard = guarded(["sh", "-c", slow], flags=flags)
    elector = guard.lead()
    guard.await_said("up")
    guard.send(signal.SIGTERM)
    assert elector.expect("stopping")["escalated"] is False
    began = boot_time()
    while boot_time() < began + 3.0:
        until = elector.extend()["until"]
        assert elector.expect("ack")["until"] == until
        elector.pause(0.1)
    assert elector.expect("gone")["code"] == 5
    elector.exit(0)
    assert guard.wait() == 5


def test_s8_a_grant_that_is_shortened_ends_sooner(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(STUBBORN, flags=(*LONG, "--kill-time", "1s"))
    elector = guard.lead()
    guard.await_said("up")
    now = boot_time()
    elector.extend(stop_at=now + 1, until=now + 4)
    assert now + 1 <= elector.expect("gone")["now"] < now + 4
    elector.exit(0)
    assert guard.wait() == 137
    assert guard.said() == "up\ntold\n"


GARBAGE = {
    "no JSON": b"\xff\xfe{",
    "no object": b"[1, 2]",
    "a number": b"7",
    "no type": b'{"token": 7}',
    "a type that is no text": b'{"type": 7}',
    "a lone surrogate": b'{"type": "\\ud800"}',
    "deep nesting": b"[" * 30000,
    "an oversized packet": json.dumps({"type": "note", "text": "x" * 40000}).encode(),
    "a number that no float can hold": b'{"type": "stop", "budget": 1%0400d}' % 0,
    "a number of 5000 digits": b'{"type": "start", "token": ' + b"9" * 5000 + b"}",
}


def test_s9_garbage_ends_the_elector_and_the_next_one_continues_the_term(
    guarded: Callable[..., Guarded],
) -> None:
    guards = {name: guarded(OBEDIENT) for name in GARBAGE}
    electors = {name: guard.lead() for name, guard in guards.items()}
    for name, elector in electors.items():
        elector.raw(GARBAGE[name])
    for name, guard in guards.items():
        electors[name].await_end()
        following = guard.meet()
        assert following.pid != electors[name].pid
        assert following.hello["identity"] == electors[name].hello["identity"]
        assert following.hello["running"]["token"] == 7, name
        guard.send(signal.SIGTERM)
        assert guard.finish(following) == 143


FLOODED = (
    *("--lease-duration", "8s"),
    *("--renew-deadline", "4700ms"),
    *("--kill-time", "500ms"),
    *("--safety-margin", "300ms"),
    *("--request-timeout", "500ms"),
)
"""Time for the flood; the kernel's kill of a late guard comes 1.25 s after its own."""


def test_s9_a_flood_of_ten_thousand_packets_moves_no_deadline(
    guarded: Callable[..., Guarded],
) -> None:
    kinds = ["unheard-of", "extend", "start", "note"]
    guards = [guarded(STUBBORN, flags=FLOODED) for _ in kinds]
    electors = [guard.lead() for guard in guards]
    for guard in guards:
        guard.await_said("up")
    began = [elector.extend() for elector in electors]
    for _ in range(10_000):
        if boot_time() > began[-1]["stop_at"]:
            break  # a busy machine: the deadline came before the last packet
        for kind, elector in zip(kinds, electors, strict=True):
            elector.send(kind, token=8, text="flood")
    for grant, guard, elector in zip(began, guards, electors, strict=True):
        gone = elector.expect("gone")
        assert grant["stop_at"] <= gone["now"] < grant["until"]
        elector.exit(0)
        assert guard.wait() == 137
