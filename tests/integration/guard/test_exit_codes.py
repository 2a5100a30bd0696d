"""
The guard ends with the status that design and docs promise.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.guard.harness import LONG

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.guard.harness import Guarded


@pytest.mark.parametrize(
    ("command", "flags", "status"),
    [
        (["true"], [], 0),
        (["sh", "-c", "exit 3"], [], 3),
        (["sh", "-c", "exit 255"], [], 255),
        (["sh", "-c", "kill -9 $$"], [], 137),
        (["sh", "-c", "kill -TERM $$"], [], 143),
        (["sh", "-c", "kill -64 $$"], [], 192),
        (["/nonexistent/program"], [], 127),
        (["no-such-program-in-the-path"], [], 127),
        (["/dev/null/program"], [], 127),
        (["/dev/null"], [], 126),
        (["/tmp"], [], 126),
        (["sh", "-c", "kill -TERM $$"], ["--success-exit-codes", "3,143"], 0),
        (["sh", "-c", "exit 3"], ["--success-exit-codes", "143"], 3),
    ],
)
def test_the_guard_ends_as_its_workload_ended(
    guarded: Callable[..., Guarded], command: list[str], flags: list[str], status: int
) -> None:
    guard = guarded(command, flags=(*LONG, "--on-exit", "exit", *flags))
    elector = guard.lead()
    assert elector.expect("exited")["code"] == guard_code(status, flags)
    assert elector.expect("gone")["code"] == guard_code(status, flags)
    elector.exit(0)
    assert guard.wait() == status


def guard_code(status: int, flags: list[str]) -> int:
    """
    Return what the elector is told: the real code, whatever counts as success.
    """
    return 143 if status == 0 and flags else status


@pytest.mark.parametrize("status", [75, 77, 78, 79])
def test_a_fatal_status_of_the_elector_is_the_guards(
    guarded: Callable[..., Guarded], status: int
) -> None:
    guard = guarded(["true"])
    guard.meet().exit(status)
    assert guard.wait() == status
    assert guard.said() == ""


@pytest.mark.parametrize("status", [0, 79])
def test_s5_an_elector_that_ends_for_good_takes_the_workload_along(
    guarded: Callable[..., Guarded], status: int
) -> None:
    guard = guarded(["sh", "-c", "trap '' TERM; sleep 1000 & wait"])
    guard.lead().exit(status)
    assert guard.wait() == (status or 137)


def test_an_election_that_ends_without_a_term_ends_with_0(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["false"])
    guard.meet().exit(0)
    assert guard.wait() == 0


def test_on_exit_release_another_term_may_follow_and_the_last_code_counts(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["sh", "-c", 'echo "term $LEADER_FENCING_TOKEN"; exit 3'])
    elector = guard.lead(token=7)
    elector.expect("gone")
    elector.start(token=8)
    elector.expect("gone")
    elector.exit(0)
    assert guard.wait() == 3
    assert guard.said() == "term 7\nterm 8\n"


def test_on_exit_restart_starts_it_again_under_the_same_grant(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(
        ["sh", "-c", 'echo "$LEADER_FENCING_TOKEN"; exit 3'],
        flags=(*LONG, "--on-exit", "restart"),
    )
    elector = guard.lead()
    assert elector.expect("started")["token"] == 7
    guard.await_logged("started again in 2 s")
    assert guard.said() == "7\n7\n"
    guard.send(signal.SIGTERM)  # between two starts
    assert guard.finish(elector) == 3
    assert "started again in 1 s" in guard.logged()


def test_a_signal_at_the_very_end_does_not_become_the_status(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["sh", "-c", "exit 3"])
    elector = guard.lead()
    elector.expect("gone")
    elector.exit(0)
    while guard.process.poll() is None:
        guard.send(signal.SIGTERM)
        time.sleep(0.0005)  # or the storm itself keeps it from ending
    assert guard.wait() == 3
