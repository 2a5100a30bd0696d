"""
``explain``: its arithmetic, its drawing, and what it warns of.
"""

from __future__ import annotations

import json

import pytest

from k8s_leader.cli import main
from k8s_leader.cli.arithmetic import meaning
from k8s_leader.cli.explain import timeline
from k8s_leader.election.timing import PROFILES, Timing

Said = pytest.CaptureFixture[str]


def test_the_default_promises_what_the_documents_say() -> None:
    means = meaning(Timing.derive())
    assert (means.crash_soonest, means.crash_latest) == (12.0, 15.15)
    assert (means.outage_always, means.outage_never) == (5.0, 10.0)
    assert means.gone_by < means.taken_from


@pytest.mark.parametrize("length", [7.0, *PROFILES.values(), 600.0])
def test_derived_margins_cover_the_pause_that_is_promised(length: float) -> None:
    assert meaning(Timing.derive(length)).keeps_the_promise


def test_a_smaller_margin_is_told_as_a_broken_promise(capsys: Said) -> None:
    assert not meaning(Timing.derive(safety_margin=0.2)).keeps_the_promise
    assert main(["explain", "--safety-margin", "200ms"]) == 0
    assert "WARNING" in capsys.readouterr().out
    assert main(["explain"]) == 0
    assert "WARNING" not in capsys.readouterr().out


@pytest.mark.parametrize("length", [7.0, 15.0, 3600.0])
def test_the_marks_stand_in_order_each_over_its_place(length: float) -> None:
    marks, bar, *_ = timeline(meaning(Timing.derive(length)).moments)
    assert marks.split() == list("ABCDEF")
    assert [at for at, c in enumerate(marks) if c != " "] == [
        at for at, c in enumerate(bar) if c == "|"
    ]
    phases = bar.replace("|", "").strip()
    assert list(dict.fromkeys(phases)) == ["=", "~", "#", "."]
    assert len(bar) < 80


def test_scripts_get_the_same_numbers(capsys: Said) -> None:
    assert main(["explain", "--profile", "fast", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["timing"]["lease_duration"] == 8.0
    assert found["crash_failover"] == {"best": 6.4, "worst": 8.08}
    assert found["overlap"]["promise_kept"] is True


def test_no_line_is_wider_than_a_terminal(capsys: Said) -> None:
    for profile in PROFILES:
        assert main(["explain", "--profile", profile]) == 0
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lease-duration", "5s"), "--safety-margin"),
        (("--renew-every", "soon"), "--renew-every is 'soon'"),
        (("reports",), "'reports' is no flag"),
    ],
)
def test_wrong_input_is_one_line_and_78(
    words: tuple[str, ...], said: str, capsys: Said
) -> None:
    assert main(["explain", *words]) == 78
    assert said in capsys.readouterr().err
