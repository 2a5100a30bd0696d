"""
The elector may die, hang, close its socket or never speak: the guard needs nobody.
"""

from __future__ import annotations

import itertools
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import wait_until
from tests.helpers.scripted_elector import boot_time
from tests.integration.guard.harness import MILD, as_numeric_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.guard.harness import Guarded

OBEDIENT = ["sleep", "1000"]
STUBBORN = ["sh", "-c", "trap 'echo told' TERM; echo up; while :; do sleep 0.02; done"]


def test_s9_without_an_extension_the_tree_is_told_then_killed_before_the_grant_ends(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(STUBBORN, flags=MILD)
    elector = guard.meet()
    grant = elector.start()
    guard.await_said("told")
    assert boot_time() >= grant["stop_at"]
    assert elector.expect("gone")["now"] < grant["until"]
    elector.exit(0)
    assert guard.wait() == 137


@pytest.mark.parametrize("status", [1, 2, 70, 137, 255])
def test_an_elector_that_ends_with_another_status_crashed_and_is_started_again(
    guarded: Callable[..., Guarded], status: int
) -> None:
    guard = guarded(OBEDIENT)
    first = guard.lead()
    first.exit(status)
    second = guard.meet()
    assert second.hello["identity"] == first.hello["identity"]
    assert f"the elector ended with {status}" in guard.logged()
    guard.send(signal.SIGTERM)
    assert guard.finish(second) == 143


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_s16_a_killed_elector_is_followed_by_one_that_knows_the_very_term(
    guarded: Callable[..., Guarded], number: signal.Signals
) -> None:
    """
    SIGKILL stands for the kernel that is out of memory.
    """
    guard = guarded(["sh", "-c", "echo up; exec sleep 1000"])
    first = guard.meet()
    assert first.hello["running"] is None
    told = first.start(token=9, uid="the-uid", acquire_time="then", transitions=4)
    guard.await_said("up")
    first.kill(number)
    second = guard.meet()
    kept = ("token", "uid", "acquire_time", "transitions", "sent", "stop_at", "until")
    assert second.hello["running"] == {name: told[name] for name in kept}
    assert second.hello["stopping"] is False
    extended = second.extend(token=9)
    assert second.expect("ack")["until"] == extended["until"]
    guard.send(signal.SIGTERM)
    assert guard.finish(second) == 143
    assert guard.said() == "up\n"  # it did not notice


def test_a_crashing_elector_is_started_again_later_and_later(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["true"])
    ended = []
    for _ in range(4):
        elector = guard.meet()
        ended.append(boot_time())
        elector.kill()
    last = guard.meet()
    ended.append(boot_time())
    pauses = [b - a for a, b in itertools.pairwise(ended)]
    for pause, least in zip(pauses, (0.1, 0.2, 0.4, 0.8), strict=True):
        assert pause >= least
    last.exit(0)
    assert guard.wait() == 0


def test_a_standby_whose_elector_never_says_anything_starts_nothing_and_stops(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["echo", "started"], flags=("--lease-duration", "8s"))
    elector = guard.meet()
    for _ in range(2):  # it lives, and says no more than that
        elector.expect("ping")
    guard.send(signal.SIGTERM)
    elector.expect("stopping")
    elector.exit(0)
    assert guard.wait() == 0
    assert guard.said() == ""


def test_an_elector_that_does_not_end_when_told_is_killed(
    guarded: Callable[..., Guarded],
) -> None:
    """
    Five seconds after the signal on standby, or after the tree is gone.
    """
    standby, leading = guarded(OBEDIENT), guarded(OBEDIENT)
    hung = [standby.meet(), leading.lead()]
    for elector, guard in zip(hung, (standby, leading), strict=True):
        elector.answers = False
        guard.send(signal.SIGTERM)
    assert standby.wait() == 0
    assert leading.wait() == 143


def test_an_elector_is_asked_for_a_sign_of_life_as_soon_as_it_is_started(
    guarded: Callable[..., Guarded],
) -> None:
    """
    A standby's has nothing else to say, and one that never spoke counts as hung.
    """
    guard = guarded(OBEDIENT, flags=("--lease-duration", "8s"))
    elector = guard.meet()
    for _ in range(4):
        elector.expect("ping", timeout=10)
    assert "does not answer" not in guard.logged()
    guard.send(signal.SIGTERM)
    elector.expect("stopping")
    elector.exit(0)
    assert guard.wait() == 0


def test_a_hung_elector_is_replaced_while_the_workload_runs_on(
    guarded: Callable[..., Guarded],
) -> None:
    flags = ("--lease-duration", "15s")
    guard = guarded(["sh", "-c", "echo up; exec sleep 1000"], flags=flags)
    hung = guard.lead()
    hung.answers = False
    os.kill(hung.pid, signal.SIGSTOP)
    second = guard.meet()
    assert second.hello["running"]["token"] == 7
    second.extend()
    second.expect("ack")
    guard.send(signal.SIGTERM)
    assert guard.finish(second) == 143
    assert guard.said() == "up\n"


def test_an_elector_that_closes_its_socket_and_lives_on_is_replaced(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(OBEDIENT, flags=("--lease-duration", "15s"))
    deaf = guard.lead()
    deaf.hang_up()
    second = guard.meet()
    assert second.hello["running"]["token"] == 7
    guard.send(signal.SIGTERM)
    assert guard.finish(second) == 143


def test_a_guard_for_which_no_process_is_left_waits_for_one(
    guarded: Callable[..., Guarded],
) -> None:
    place = as_numeric_user()
    prefix = [*place.pop("prefix", []), "prlimit", "--nproc=1"]
    guard = guarded(["true"], prefix=prefix, **place)
    guard.await_logged("the elector cannot be started: ")
    wait_until(lambda: guard.logged().count("cannot be started") >= 3)
    guard.send(signal.SIGTERM)
    assert guard.wait() == 0


def test_an_elector_that_cannot_be_started_is_tried_again_and_the_guard_can_stop(
    guarded: Callable[..., Guarded],
) -> None:
    guard = guarded(["true"], config={"elector_argv": ["/nonexistent/elector"]})
    guard.await_logged("/nonexistent/elector: ")
    guard.await_logged("the elector ended with 127")
    guard.send(signal.SIGTERM)
    assert guard.wait() == 0
