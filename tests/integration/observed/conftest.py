from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import LASTING, Candidate, Journal, wait_until
from tests.helpers.http import ask, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def timings() -> tuple[str, ...]:
    return LASTING


@pytest.fixture
def leader(
    port: int,
    journal: Journal,
    lifeline: Lifeline,
    tmp_path: Path,
    timings: tuple[str, ...],
) -> Iterator[Candidate]:
    """
    A leader that renews every 0.4 s; each renewal should leave 7.1 s of its grant.
    """
    flags = ("--http", f"127.0.0.1:{port}", "--renew-every", "400ms")
    with Candidate(
        f"sqlite:{tmp_path / 'lease.db'}",
        journal,
        name="leader",
        lifeline=lifeline,
        flags=(*timings, *flags),
    ) as one:
        wait_until(journal.tokens, why="it leads")
        wait_until(lambda: _leads(port), why="it serves")
        yield one


def _leads(port: int) -> bool:
    try:
        return ask(port, "/leaderz").status == 200
    except OSError:
        return False
