"""
What a candidate logs over two terms: every line whose it is, and none per renewal.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.candidate import LASTING, Candidate, Journal, boot_time, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.slow

_OFTEN = ("--renew-every", "100ms", "--log-format", "json")


def _lines(candidate: Candidate) -> list[dict[str, Any]]:
    text = candidate.text()
    whole = text[: text.rfind("\n") + 1]  # the last line may be on its way
    return [json.loads(line) for line in whole.splitlines()]


def _said(candidate: Candidate) -> str:
    return "\n".join(line["msg"] for line in _lines(candidate))


def test_each_line_says_whose_it_is_and_none_is_of_a_renewal(
    journal: Journal, lifeline: Lifeline, tmp_path: Path
) -> None:
    lease = str(tmp_path / "lease.db")
    with Candidate(
        f"sqlite:{lease}",
        journal,
        name="told",
        lifeline=lifeline,
        flags=(*LASTING, *_OFTEN),
    ) as one:
        wait_until(journal.tokens, why="it leads")
        token = journal.tokens()[0]
        # The elector says the one and the guard the other, in either order.
        wait_until(lambda: "leading" in _said(one))
        wait_until(lambda: "workload started" in _said(one))
        said, begun = len(_lines(one)), boot_time()
        wait_until(lambda: boot_time() > begun + 1.0, why="ten renewals were sent")
        assert len(_lines(one)) == said
        assert one.stop() == 0
    lines = _lines(one)
    assert {line["lease"] for line in lines} == {lease}
    assert {line["identity"].partition("_")[0] for line in lines} == {"told"}
    of_term = [line["msg"] for line in lines if line.get("term") == token]
    for begin in ("leading", "workload started", "stopping", "workload gone"):
        found = [message for message in of_term if message.startswith(begin)]
        assert len(found) == 1, f"one line: {begin}, in {of_term}"
    assert {line["logger"].partition(".")[0] for line in lines} == {
        "guard",
        "k8s_leader",
    }
