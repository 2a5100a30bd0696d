"""
Workloads that are hard to get rid of: ``python -c SOURCE KIND``.

Each says ``up`` on stdout once all of it lives, and would live on for minutes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BOMB = 400
_LIFE = 60.0
"""Seconds that runners run: longer than any test waits, and not for ever."""


def stay() -> None:
    """
    Live on, whatever is sent.
    """
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(100)


def child(run: Callable[[], object]) -> int:
    """
    Run something in a child, which never returns from it.
    """
    pid = os.fork()
    if pid == 0:
        try:
            run()
        finally:
            os._exit(0)
    return pid


def daemon(run: Callable[[], object] = stay) -> None:
    """
    Fork twice into a session of its own, as daemons do.
    """

    def first() -> None:
        os.setsid()
        child(run)

    os.waitpid(child(first), 0)


def daemons() -> None:
    """
    Three daemons and a leader that ends on SIGTERM.
    """
    for _ in range(3):
        daemon()


def deaf() -> None:
    """
    A leader and a child that ignore everything that can be ignored.
    """
    child(stay)
    up()
    stay()


def frozen() -> None:
    """
    A member of the group and a daemon that are stopped.
    """
    freeze: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGSTOP)  # noqa: E731  # two words
    os.waitpid(child(freeze), os.WUNTRACED)
    daemon(freeze)


def threads() -> None:
    """
    A child that another thread than the first one started.
    """

    def breed() -> None:
        child(stay)
        started.set()
        time.sleep(100)

    started = threading.Event()
    for _ in range(20):
        threading.Thread(target=lambda: time.sleep(100), daemon=True).start()
    threading.Thread(target=breed, daemon=True).start()
    started.wait()


def sessions() -> None:
    """
    A grandchild in a session of its own, and one in a group of its own.
    """

    def breed() -> None:
        child(in_session)
        child(in_group)
        stay()

    def in_session() -> None:
        os.setsid()
        stay()

    def in_group() -> None:
        os.setpgid(0, 0)
        stay()

    child(breed)


def orphans() -> None:
    """
    The leader ends at once; what it started goes on.
    """
    child(stay)
    daemon()
    up()
    os._exit(4)


def bomb() -> None:
    """
    A few hundred processes that come while the first of them are killed.
    """
    left, fuel = os.pipe()
    os.write(fuel, b"." * _BOMB)
    os.set_blocking(left, False)
    up()
    while True:
        try:
            os.read(left, 1)
        except BlockingIOError:
            stay()
        if os.fork() == 0 and os.getpid() % 3 == 0:
            os.setsid()


def runners() -> None:
    """
    Ten processes that never stay: each generation starts the next one and ends.
    """
    end = time.monotonic() + _LIFE

    def run() -> None:
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            if os.getpid() % 2:
                os.setsid()

    for _ in range(10):
        child(run)


def up() -> None:
    """
    Tell that all of it lives.
    """
    os.write(1, b"up\n")


if __name__ == "__main__":
    {
        each.__name__: each
        for each in (daemons, deaf, frozen, threads, sessions, orphans, bomb, runners)
    }[sys.argv[1]]()
    up()
    signal.pause()
