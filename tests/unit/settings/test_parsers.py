from __future__ import annotations

import math
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.settings import parsers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15s", 15.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("1h", 3600.0),
        ("1.5h", 5400.0),
        ("15", 15.0),
        ("0.5", 0.5),
        (".5s", 0.5),
        ("2.", 2.0),
        (" 15s ", 15.0),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("24h", 86400.0),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert parsers.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0s",
        "-5s",
        "-1",
        "five",
        "15 s",
        "15S",
        "1d",
        "s",
        "1m30",
        "nan",
        "inf",
        "1e3",
        "٣s",
        "9999999h",
        "1" * 65,
        "1_0s",
        "15s;",
        "None",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 15s"):
        parsers.duration(text)


@given(st.floats(min_value=0.001, max_value=parsers.LONGEST))
def test_a_formatted_duration_is_read_back(seconds: float) -> None:
    text = parsers.format_duration(seconds)
    assert parsers.duration(text) == pytest.approx(seconds, rel=1e-4)


@given(st.text(max_size=80))
def test_no_text_makes_a_parser_fail_otherwise_than_by_value_error(text: str) -> None:
    for parse in (
        parsers.duration,
        parsers.boolean,
        parsers.exit_codes,
        parsers.signal_number,
        parsers.stop_signal,
        parsers.signal_map,
        parsers.path,
    ):
        try:
            value = parse(text)
        except ValueError as exc:
            assert str(exc)
        else:
            assert not isinstance(value, float) or (math.isfinite(value) and value > 0)


@pytest.mark.parametrize("text", ["true", "YES", "on", "1"])
def test_words_for_true(text: str) -> None:
    assert parsers.boolean(text) is True


@pytest.mark.parametrize("text", ["false", "No", "off", "0"])
def test_words_for_false(text: str) -> None:
    assert parsers.boolean(text) is False


def test_another_word_is_no_truth() -> None:
    with pytest.raises(ValueError, match="true or false"):
        parsers.boolean("maybe")


def test_a_choice_is_taken_in_any_case_and_nothing_else() -> None:
    parse = parsers.choice("text", "json")
    assert parse(" JSON ") == "json"
    with pytest.raises(ValueError, match="one of text, json"):
        parse("xml")


def test_exit_codes_are_sorted_and_unique() -> None:
    assert parsers.exit_codes("143, 130,143") == (130, 143)


@pytest.mark.parametrize("text", ["", "256", "-1", "a", "1,,2", "1;2", "٣"])
def test_what_is_no_exit_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="0 to 255"):
        parsers.exit_codes(text)


@pytest.mark.parametrize("text", ["TERM", "sigterm", "15", " SIGTERM "])
def test_a_signal_has_a_name_and_a_number(text: str) -> None:
    assert parsers.signal_number(text) == signal.SIGTERM


@pytest.mark.parametrize("text", ["", "0", "-15", "999", "TERMINATE", "SIG"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="signal's name or number"):
        parsers.signal_number(text)


@pytest.mark.parametrize("text", ["STOP", "CONT", "CHLD", "WINCH"])
def test_a_signal_that_stops_nothing_is_no_stop_signal(text: str) -> None:
    with pytest.raises(ValueError, match="can end a program"):
        parsers.stop_signal(text)


def test_kill_may_be_the_stop_signal() -> None:
    assert parsers.stop_signal("KILL") == signal.SIGKILL


def test_a_signal_map_is_pairs_and_none_drops() -> None:
    expected = {signal.SIGHUP: signal.SIGUSR1, signal.SIGWINCH: 0}
    assert parsers.signal_map("HUP=USR1,WINCH=none") == expected
    assert parsers.signal_map("15:3") == {15: 3}
    assert parsers.signal_map("15:0") == {15: 0}


@pytest.mark.parametrize(
    "text", ["", "TERM", "TERM=", "=TERM", "KILL=TERM", "CHLD=TERM", "1=2,1=3", "a=b"]
)
def test_a_map_that_cannot_work_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="pairs"):
        parsers.signal_map(text)


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 4097])
def test_what_no_file_can_be_called_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a path"):
        parsers.path(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (15, "15s"),
        (90, "1m30s"),
        (0.5, "500ms"),
        (2.25, "2.25s"),
        (3600, "1h"),
        (60, "1m"),
    ],
)
def test_a_duration_is_shown_as_people_write_it(seconds: float, text: str) -> None:
    assert parsers.format_duration(seconds) == text


@pytest.mark.parametrize("text", ["99ms", "1us", "0.05", "0", "soon"])
def test_a_pace_that_would_flood_the_store_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at least 100ms|a time above 0"):
        parsers.pace(text)
    assert parsers.pace("100ms") == pytest.approx(0.1)
