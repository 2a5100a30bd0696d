"""
One elector process: the real ``app.elector`` on virtual time.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from k8s_leader.app.elector import _Elector
from k8s_leader.clock import SystemClock
from k8s_leader.election.timing import Timing
from k8s_leader.errors import ExitCode, LeaderError, LeaseError
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.settings import Settings
from tests.simulation.quick import as_dict
from tests.simulation.workload import SimTree
from tests.simulation.world import Machine, Process

__all__ = ["ElectorProcess"]

Message = dict[str, Any]

_FATAL = frozenset(
    {
        ExitCode.OK,
        ExitCode.WAIT_TIMEOUT,
        ExitCode.FORBIDDEN,
        ExitCode.SETTINGS,
        ExitCode.LOST,
    }
)


class ElectorProcess:
    """
    The process, its end of the socket pair, and its clock.

    Args:
        make_manager: returns the lease manager of this process.
        say: sends the guard a message.
        on_exit: called when it ends by itself: whether that ends the candidacy, and
            what it ended by if that was no error that it expects.
    """

    def __init__(
        self,
        process: Process,
        *,
        machine: Machine,
        tree: SimTree,
        timing: Timing,
        on_exit_policy: str,
        make_manager: Callable[[], RecordedLeaseManager],
        say: Callable[[Message], None],
        on_exit: Callable[[bool, Exception | None], None],
    ) -> None:
        self.process = process
        self.manager = make_manager
        self.say = say
        self.on_message: Callable[[Message], None] = lambda _: None
        self.now = machine.now
        self.wall = machine.wall
        self._tree = tree
        self._on_exit = on_exit
        config = {
            "timing": as_dict(timing),
            "elector": {
                "store": "kubernetes",
                "lease": "simulated",
                "companions": _companions(),
            },
            "on_exit": on_exit_policy,
        }
        self._elector = _Elector(config)
        clock = cast("SystemClock", self)
        self._elector._clock = clock
        self._elector._duty.watch._clock = clock

    def start(self, hello: Message) -> None:
        """
        Begin to run, and get the guard's first message.
        """
        self.process.deliver(self._begin, hello)

    def receive(self, message: Message) -> None:
        self.on_message(message)

    def _begin(self, hello: Message) -> None:
        self.process.create_task(self._run())
        hello = {"type": "hello", "guard": 0, **hello}
        self.process.call_soon(lambda: self.on_message(hello))

    async def _run(self) -> None:
        try:
            status = await self._elector.run(cast("Any", self))
        except LeaderError as error:
            self._on_exit(error.exit_code in _FATAL, _odd(error))
        except Exception as error:  # noqa: BLE001  # a process ends by it
            self._on_exit(False, _odd(error))
        else:
            self._on_exit(status in _FATAL, None)

    # -- what seams.py asks ------------------------------------------------------

    async def bury(self) -> None:
        """
        Kill the workload in the guard's place.
        """
        self._tree.kill()
        await asyncio.sleep(0.02)

    def exit(self, status: int) -> None:
        self._on_exit(status in _FATAL, None)


@cache
def _companions() -> dict[str, Any]:
    """
    Return what runs beside the workload by default: nothing.
    """
    settings = Settings.load({}, {}, None, lease_needed=False)
    return dataclasses.asdict(settings.companions)


def _odd(error: Exception) -> Exception | None:
    return None if isinstance(error, LeaseError | TimeoutError) else error
