"""
Whatever an elector says, the guard keeps its own deadlines (S2, S9).
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.guard.term import Refusal
from tests.unit.guard.workbench import CONFIG, NOW, Bench

TIMING = CONFIG["timing"]
LONGEST = TIMING["lease_duration"] - TIMING["safety_margin"]

NEAR = st.floats(NOW - 20.0, NOW + 60.0)
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**300), 10**300),  # more digits end the elector
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none() | st.integers(), max_size=2),
)
TIMES = st.one_of(NEAR, NEAR, ANYTHING)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["start", "extend", "stop"])},
    optional={
        "token": st.sampled_from([7, 7, 7, 8]) | ANYTHING,
        "uid": st.just("u") | ANYTHING,
        "acquire_time": st.just("t") | ANYTHING,
        "transitions": st.sampled_from([0, 1]) | ANYTHING,
        "sent": TIMES,
        "stop_at": TIMES,
        "until": TIMES,
        "env": st.just({}) | ANYTHING,
        "budget": st.floats(0.0, 30.0) | ANYTHING,
        "why": ANYTHING,
    },
)
VALID = st.sampled_from(["start", "extend"]).map(lambda kind: {"type": kind})
STEPS = st.lists(
    st.tuples(st.floats(0.0, 6.0), st.one_of(MESSAGES, VALID)), max_size=12
)


def hear(bench: Bench, message: dict[str, Any]) -> None:
    """
    Do what the guard's loop does with a message; a valid one has the grant of now.
    """
    if set(message) == {"type"}:
        message = {**bench.grant(), "transitions": 0, **message}
    hearing = {
        "start": bench.workload.hear_start,
        "extend": bench.workload.hear_extend,
        "stop": bench.workload.hear_stop,
    }
    try:
        hearing[message["type"]](message, bench.now)
    except Refusal:
        return


@given(STEPS)
def test_s9_no_message_lets_a_workload_run_longer_than_the_lease_permits(
    steps: list[tuple[float, dict[str, Any]]],
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench = Bench(monkeypatch)
    bench.lead()
    for pause, message in steps:
        for _ in range(int(pause / 0.1)):  # the guard's own pulse
            bench.now += 0.1
            bench.turn()
            check(bench)
        hear(bench, message)
        bench.turn()
        check(bench)


def check(bench: Bench) -> None:
    """
    Hold what is promised against what the guard would do now.
    """
    term = bench.workload.term
    if term is None:
        return
    times = term.times
    assert times.sent <= bench.now + 1e-6
    assert times.until <= times.sent + LONGEST + 1e-6
    deadline = term.hard_deadline(kill_time=TIMING["kill_time"])
    assert deadline < times.until
    assert math.isfinite(bench.workload.next_look(bench.now))
    if bench.now >= deadline and bench.workload._run is term:
        assert bench.tree.done[-1] == "kill"
    if bench.now >= times.stop_at:
        assert term.stopping
