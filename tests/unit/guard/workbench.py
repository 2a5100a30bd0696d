"""
A workload of the guard on a fake tree, with clocks that a test moves.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, cast

from k8s_leader.guard import workload as module
from k8s_leader.guard.log import Log
from k8s_leader.guard.watchdog import WallClock
from k8s_leader.guard.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["CONFIG", "NOW", "Bench"]

NOW = 1000.0
CONFIG: dict[str, Any] = {
    "command": ["the", "workload"],
    "timing": {
        "lease_duration": 15.0,
        "renew_deadline": 10.0,
        "safety_margin": 1.3,
        "kill_time": 2.25,
    },
    "on_exit": "release",
    "stop_signal": 15,
    "log_format": "text",
    "log_level": "error",
}


class FakeTree:
    """
    A tree without processes: remembers what was done to it.
    """

    def __init__(self) -> None:
        self.leader: int | None = None
        self.done: list[str] = []
        self.left = self.is_full = False
        self.is_ours = True

    def start(self, command: list[str], *_: object, **__: object) -> int:
        if self.is_full:
            raise BlockingIOError
        self.leader = 7
        self.done.append(" ".join(command))
        return 7

    def signal(self, number: int) -> None:
        self.done.append(signal.Signals(number).name)

    def freeze(self) -> None:
        self.done.append("freeze")

    def thaw(self) -> None:
        self.done.append("thaw")

    def kill(self) -> bool:
        self.done.append("kill")
        return self.is_ours

    def members(self) -> list[int]:
        return [7]

    def is_empty(self) -> bool:
        return self.leader is None and not self.left

    def reaped(self, pid: int, status: int) -> int | None:
        ours, self.leader = pid == self.leader, None
        return status if ours else None


class FakeCgroup:
    """
    A cgroup whose kill is told among what is done to the tree.
    """

    def __init__(self, tree: FakeTree) -> None:
        self.kill = lambda: tree.done.append("kill the cgroup")


class NoDeadMan:
    """
    The kernel's timer would kill the test.
    """

    def hold(self, **_: object) -> None:
        return

    def release(self) -> None:
        return


class Bench:
    """
    A workload on a fake tree, with clocks that the test moves.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        has_cgroup: bool = False,
        **config: object,
    ) -> None:
        self.now, self.jumped = NOW, 0.0
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.tree = FakeTree()
        tree: Any = self.tree
        cgroup = cast("Any", FakeCgroup(self.tree) if has_cgroup else None)

        def wall_clock(now: Callable[[], float], *, tolerance: float) -> WallClock:
            wall = lambda: self.now + self.jumped  # noqa: E731  # one more clock
            return WallClock(now, tolerance=tolerance, wall=wall)

        monkeypatch.setattr(module, "DeadMan", NoDeadMan)
        monkeypatch.setattr(module, "WallClock", wall_clock)
        made = CONFIG | config
        self.workload = Workload(
            made,
            environ={},
            tree=tree,
            now=lambda: self.now,
            tell=lambda kind, **fields: self.told.append((kind, fields)),
            log=Log(made, identity="me"),
            cgroup=cgroup,
        )

    def grant(self) -> dict[str, Any]:
        ends = {"stop_at": self.now + 10, "until": self.now + 13.7}
        return {"token": 7, "sent": self.now, **ends}

    def lead(self) -> None:
        self.workload.hear_start({**self.grant(), "transitions": 0}, self.now)

    def ends(self, code: int = 3) -> None:
        self.workload.reaped(7, code)
        self.turn()

    def turn(self) -> None:
        self.workload.enforce(self.now)
        self.workload.settle(self.now)

    def last(self, kind: str) -> dict[str, Any]:
        return [fields for told, fields in self.told if told == kind][-1]
