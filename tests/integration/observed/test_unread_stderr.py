"""
Nobody reads what a candidate logs: a log driver hangs, or a terminal is stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import LASTING, Candidate, Journal, boot_time, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.lifeline import Lifeline

pytestmark = pytest.mark.slow


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """
    Return the writing end of a pipe that has no room left.
    """
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"." * 512)
    os.set_blocking(writer, True)
    yield writer
    os.close(reader)
    os.close(writer)


def test_a_stderr_that_nobody_reads_costs_no_renewal_and_no_hand_over(
    full_pipe: int, journal: Journal, lifeline: Lifeline, tmp_path: Path
) -> None:
    with Candidate(
        f"sqlite:{tmp_path / 'lease.db'}",
        journal,
        name="unread",
        lifeline=lifeline,
        flags=(*LASTING, "--log-level", "debug"),
        stderr=full_pipe,
    ) as one:
        wait_until(journal.tokens, why="it leads")
        begun = boot_time()
        lived = lambda: journal.entries()[-1].at > begun + 9.0  # noqa: E731
        wait_until(lived, why="more than a lease is over")
        assert len(journal.tokens()) == 1
        assert one.stop() == 0
    assert journal.entries()[-1].event == "end"
