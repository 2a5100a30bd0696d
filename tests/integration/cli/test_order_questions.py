"""
Orders that somebody has to confirm, while the Lease goes on changing.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from k8s_leader.cli import main
from tests.helpers.site import NAME, Site

pytestmark = pytest.mark.kube

Said = pytest.CaptureFixture[str]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def led(site: Site) -> Site:
    """
    A Lease that says that ``a_1``, one of ours, leads.
    """
    body = {
        "metadata": {"name": NAME, "annotations": {"k8s-leader.io/holder": "a_1"}},
        "spec": {"holderIdentity": "a_1", "leaseDurationSeconds": 15},
    }
    site.api.request("POST", site.api.lease_path(site.namespace), body)
    return site


def patch(site: Site, body: dict[str, Any]) -> None:
    site.api.patch(f"{site.api.lease_path(site.namespace)}/{NAME}", body)


def answer(
    monkeypatch: pytest.MonkeyPatch, text: str, *, first: Callable[[], None]
) -> None:
    """
    Answer the question of a command, after something else has happened.
    """

    def asked(question: str) -> str:
        assert question.endswith("[y/N] ")
        first()
        return text

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", asked)


def test_a_no_changes_nothing(
    led: Site, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    before = led.lease()
    answer(monkeypatch, "", first=lambda: None)
    assert main(["step-down", NAME]) == 65
    assert "nothing was changed" in capsys.readouterr().out
    assert led.lease() == before


def test_a_yes_orders_it_and_renewals_meanwhile_do_not_matter(
    led: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewal = {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}
    answer(monkeypatch, "y", first=lambda: patch(led, renewal))
    assert main(["step-down", NAME]) == 0
    assert led.notes()["step-down"] == "0/a_1"
    assert led.lease()["spec"] == {
        "holderIdentity": "a_1",
        "leaseDurationSeconds": 15,
        **renewal["spec"],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"leaseTransitions": 1}},
        {"spec": {"holderIdentity": ""}},
        {"metadata": {"annotations": {"k8s-leader.io/paused": "true"}}},
    ],
)
def test_what_was_confirmed_is_not_ordered_of_something_else(
    led: Site, monkeypatch: pytest.MonkeyPatch, capsys: Said, change: dict[str, Any]
) -> None:
    answer(monkeypatch, "yes", first=lambda: patch(led, change))
    assert main(["step-down", NAME]) == 65
    assert "nothing was changed" in capsys.readouterr().err
    assert "step-down" not in led.notes()


def test_an_order_that_nobody_obeys_is_waited_for_only_so_long(
    led: Site, capsys: Said
) -> None:
    words = ["step-down", NAME, "--yes", "--wait", "--timeout", "300ms"]
    assert main(words) == 75
    assert "it did not happen within" in capsys.readouterr().out
    assert led.notes()["step-down"] == "0/a_1"
