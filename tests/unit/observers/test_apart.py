"""
Observers of users: whatever they do, they do it to themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from k8s_leader.observers.apart import Apart, finish
from k8s_leader.observers.port import HolderSeen, Notice


def holders(count: int) -> list[Notice]:
    return [HolderSeen(holder=str(number)) for number in range(count)]


class Notebook:
    """
    Writes down what it is told, and in which thread.
    """

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.threads: set[int] = set()

    def on_notice(self, notice: Notice) -> None:
        self.notices.append(notice)
        self.threads.add(threading.get_ident())


class Faulty(Notebook):
    def on_notice(self, notice: Notice) -> None:
        super().on_notice(notice)
        raise RuntimeError("broken observer")


class Hanging(Notebook):
    """
    Takes one notice and holds on to it until it is let go.
    """

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def on_notice(self, notice: Notice) -> None:
        super().on_notice(notice)
        self.go_on.wait()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    observer = Hanging()
    yield observer
    observer.go_on.set()


def test_each_is_told_all_in_order_in_a_thread_of_its_own() -> None:
    one, other = Notebook(), Notebook()
    apart = [Apart(one), Apart(other)]
    for notice in holders(200):
        for observer in apart:
            observer.on_notice(notice)
    finish(apart, patience=30.0)
    assert one.notices == other.notices == holders(200)
    assert len(one.threads | other.threads) == 2
    assert threading.get_ident() not in one.threads


def test_one_that_raises_is_logged_and_told_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faulty = Faulty()
    apart = Apart(faulty)
    for notice in holders(3):
        apart.on_notice(notice)
    finish([apart], patience=30.0)
    assert faulty.notices == holders(3)
    assert caplog.text.count("an observer failed; the election goes on") == 3


def test_one_that_hangs_delays_neither_the_election_nor_another(
    hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    notebook = Notebook()
    stuck, well = Apart(hanging, longest=8), Apart(notebook)
    for notice in holders(1000):  # where any of it waited, this would take for ever
        stuck.on_notice(notice)
        well.on_notice(notice)
    assert caplog.text.count("it is not told everything") == 1
    with caplog.at_level(logging.WARNING):
        finish([stuck, well], patience=0.05)
    assert "left behind: " in caplog.text
    assert well.join(until=time.monotonic() + 30.0)
    assert notebook.notices == holders(1000)


def test_what_hung_is_told_the_oldest_first_and_then_what_comes(
    hanging: Hanging,
) -> None:
    apart = Apart(hanging, longest=2)
    apart.on_notice(HolderSeen(holder="0"))
    while not hanging.notices:
        time.sleep(0.001)  # it has taken the first, and hangs with it
    for notice in holders(5)[1:]:
        apart.on_notice(notice)
    hanging.go_on.set()
    while len(hanging.notices) < 3:
        time.sleep(0.001)
    apart.on_notice(HolderSeen(holder="later"))
    finish([apart], patience=30.0)
    told = [n.holder for n in hanging.notices if isinstance(n, HolderSeen)]
    assert told == ["0", "1", "2", "later"]


def test_nobody_waits_for_one_that_was_never_told_anything() -> None:
    assert Apart(Notebook()).join(until=0.0)


def test_one_that_hangs_on_its_last_notice_is_left_behind(hanging: Hanging) -> None:
    apart = Apart(hanging)
    apart.on_notice(HolderSeen(holder="a"))
    assert not apart.join(until=time.monotonic() + 0.05)
