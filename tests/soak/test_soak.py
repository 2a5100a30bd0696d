"""
A quarter of a minute of hand-overs; an hour of them is a command of its own.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.helpers.rings import note
from tests.soak.readings import KEYS, Reading, growth, slope
from tests.soak.soak import LIMITS, Soak, judge, soak


def _readings(leaks: float) -> list[Reading]:
    """
    Return what a process shows that leaks so much with each hand-over, beside noise.
    """
    chance = random.Random(1)
    return [
        Reading(
            at=0.3 * number,
            hand_overs=number,
            held={
                key: 4e7 + leaks * number + chance.uniform(-2e5, 2e5) for key in KEYS
            },
        )
        for number in range(3000)
    ]


def test_a_slope_is_found_and_a_level_has_none() -> None:
    assert slope([(0, 1.0), (1, 3.0), (2, 5.0)]) == pytest.approx(2.0)
    assert slope([(0, 1.0), (1, 1.0)]) == 0.0
    assert slope([(4, 1.0)]) == 0.0


def test_one_kilobyte_with_each_hand_over_is_found_among_noise() -> None:
    leaking = Soak(4, readings=_readings(1100.0))
    assert growth(leaking.readings, warm_up=1 / 3)["electors_bytes"] > 2e6
    assert [line.split()[0] for line in judge(leaking)] == list(LIMITS)


def test_a_process_that_was_started_again_is_told() -> None:
    renewed = Soak(2, electors={1, 2, 3}, restarts=1, readings=_readings(0.0))
    assert judge(renewed)[:2] == [
        "guards were started again 1 times",
        "electors were started again 1 times",
    ]


def test_noise_alone_is_no_leak() -> None:
    steady = Soak(4, readings=_readings(0.0))
    assert abs(steady.grown["guards_bytes"]) < 0.1e6


@pytest.mark.kube
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_quarter_of_a_minute_of_hand_overs_grows_nothing(tmp_path: Path) -> None:
    result = soak(minutes=0.25, candidates=3, folder=tmp_path, say=lambda _: None)
    note(soak_hand_overs=result.hand_overs)
    assert result.broken == []
    assert judge(result) == []
    assert result.restarts == 0
    assert result.hand_overs >= 5
