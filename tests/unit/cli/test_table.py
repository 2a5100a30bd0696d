"""
Lines for people: aligned, bounded, and without what could steer a terminal.
"""

from __future__ import annotations

import io

import pytest

from k8s_leader.cli.table import age, clean, painted, seconds, table, wants_colour


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_aligned_and_nothing_is_a_dash() -> None:
    assert table(("A", "BB"), [("long", ""), ("x", "y")]) == [
        "A     BB",
        "long  -",
        "x     y",
    ]


def test_what_others_wrote_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2Jb\nc\u202e") == "a?[2Jb?c?"
    assert "\x1b" not in "".join(table(("A",), [("\x1b[31m",)]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (192, "3m12s"),
        (14700, "4h5m"),
        (86400 * 12.5, "12d12h"),
        (-75, "-1m15s"),
    ],
)
def test_an_age_has_two_units_at_most(value: float | None, text: str) -> None:
    assert age(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (1.26, "1.3s"), (-2, "-2.0s"), (61, "1m1s")]
)
def test_short_times_have_a_digit_behind_the_point(
    value: float | None, text: str
) -> None:
    assert seconds(value) == text


def test_colours_are_for_terminals_that_want_them() -> None:
    assert wants_colour(Terminal(), {"TERM": "xterm"})
    assert not wants_colour(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"})
    assert not wants_colour(Terminal(), {"TERM": "dumb"})
    assert not wants_colour(io.StringIO(), {"TERM": "xterm"})
    assert painted("x", "good", wanted=False) == "x"
    assert painted("x", "good", wanted=True) == "\x1b[32mx\x1b[0m"
