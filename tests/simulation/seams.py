"""
Where the real elector and guard are cut from the operating system.

Under :func:`simulated` the modules of the elector process and of the guard's workload
see virtual clocks, sockets, processes and leases. Their own code is untouched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any, Protocol
from unittest.mock import patch

from k8s_leader.app import elector as elector_module
from k8s_leader.app import last_duty as duty_module
from k8s_leader.app.cluster_side import ClusterSide
from k8s_leader.app.stores import LeaseChoice, OpenLease
from k8s_leader.election import observation as observation_module
from k8s_leader.election import record as record_module
from k8s_leader.election.timing import Timing
from k8s_leader.guard import workload as workload_module
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.observers import status as status_module
from tests.simulation.quick import replace

__all__ = ["End", "Seat", "simulated"]

Message = dict[str, Any]

_PULSE = 0.9
"""The real guard looks four times as often: this is harder, and cheaper."""


class End(Protocol):
    """
    The elector's end of the socket pair.
    """

    on_message: Callable[[Message], None]

    def say(self, message: Message) -> None:
        """
        Send it to the guard.
        """


class Seat(Protocol):
    """
    The clock that an elector is given; it knows the elector's lease.
    """

    def now(self) -> float:
        """
        Return boot-time seconds.
        """

    def wall(self) -> float:
        """
        Return Unix seconds.
        """

    def manager(self) -> RecordedLeaseManager:
        """
        Return the lease manager of a new elector process.
        """

    async def bury(self) -> None:
        """
        Kill the workload in the guard's place.
        """

    def exit(self, status: int) -> None:
        """
        End the elector process.
        """


class _Link:
    """
    Stands in for ``GuardLink``.
    """

    def __init__(
        self,
        end: End,
        *,
        on_message: Callable[[Message], None],
        on_end: Callable[[], None],
    ) -> None:
        self._end = end
        end.on_message = on_message

    def send(self, kind: str, **fields: object) -> None:
        self._end.say({"type": kind, **fields})

    def close(self) -> None:
        """
        Nothing is open.
        """


@asynccontextmanager
async def _open_manager(
    choice: LeaseChoice, *, identity: str, clock: Seat, timing: Timing, annotate: object
) -> AsyncIterator[OpenLease]:
    yield OpenLease(manager=clock.manager(), lease=choice.lease, namespace="default")


@asynccontextmanager
async def _open_cluster_side(*_: object, **__: object) -> AsyncIterator[ClusterSide]:
    yield ClusterSide(farewell=_farewell)


async def _farewell() -> None:
    """
    Take the moment that an orderly stop grants for the Pod's label.
    """
    await asyncio.sleep(0.03)


async def _bury(*, identity: str, guard: int, cgroup: Seat) -> None:
    await cgroup.bury()
    cgroup.exit(70)


@contextmanager
def simulated() -> Iterator[None]:
    """
    Cut the elector and the guard's workload from this machine.
    """
    if vars(duty_module)["bury"] is _bury:  # once is enough
        yield
        return
    no_machine = SimpleNamespace(getpid=lambda: 2, getppid=lambda: 2, _exit=_nothing)
    with ExitStack() as stack:
        for module, name, stand_in in (
            (elector_module, "open_manager", _open_manager),
            (elector_module, "open_cluster_side", _open_cluster_side),
            (elector_module, "GuardLink", _Link),
            (elector_module, "configure", _nothing),
            (elector_module, "tie_of", _nothing),
            (duty_module, "bury", _bury),
            (duty_module, "os", no_machine),
            (workload_module, "os", no_machine),
            (workload_module, "DeadMan", SimpleNamespace),
            (workload_module, "state", lambda _: "D"),
            (workload_module, "_PULSE", _PULSE),
            (workload_module, "_KILL_PULSE", 0.1),
            # Not cut, only quicker.
            (observation_module, "replace", replace),
            (record_module, "replace", replace),
            (status_module, "replace", replace),
        ):
            stack.enter_context(patch.object(module, name, stand_in))
        yield


def _nothing(*_: object, **__: object) -> None:
    """
    Do nothing.
    """
