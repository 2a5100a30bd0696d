"""
The elector process of the simulation: the real loop, manager and guarded workload.

What ``app.elector`` does around them with sockets, settings and logs is modelled here,
message by message; it is the one part of the elector that is not the real code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from k8s_leader.election import events as ev
from k8s_leader.election.events import State
from k8s_leader.election.grant import Grant
from k8s_leader.election.record import TermId
from k8s_leader.election.timing import Timing
from k8s_leader.leases.port import Held
from k8s_leader.leases.recorded import RecordedLeaseManager
from k8s_leader.runner.guarded import GuardedWorkload, GuardLink
from k8s_leader.runner.loop import ElectionLoop
from tests.simulation.network import SimStore
from tests.simulation.world import Machine

__all__ = ["Elector"]

Message = dict[str, Any]


class _Link:
    """
    The elector's end of the socket pair.
    """

    def __init__(self, say: Callable[[Message], None]) -> None:
        self._say = say

    def send(self, kind: str, **fields: object) -> None:
        self._say({"type": kind, **fields})


class Elector:
    """
    One elector process.

    Args:
        manager: makes the lease manager (a planted fault may make another).
        say: sends the guard a message.
        on_exit: called when the process ends by itself, with what it ended by.
    """

    def __init__(
        self,
        *,
        machine: Machine,
        timing: Timing,
        manager: RecordedLeaseManager,
        store: SimStore,
        say: Callable[[Message], None],
        on_exit: Callable[[Exception | None], None],
        leave_after_term: bool,
    ) -> None:
        self._machine = machine
        self._timing = timing
        self._manager = manager
        self._store = store
        self._on_exit = on_exit
        self._leave = leave_after_term
        self._workload = GuardedWorkload(
            cast("GuardLink", _Link(say)), environ=lambda _: {}
        )
        self.loop: ElectionLoop | None = None
        self._early: list[Message] = []
        self._gone: asyncio.Event | None = None

    async def run(self, hello: Message) -> None:
        fault: Exception | None = None
        try:
            await self._campaign(hello)
        except Exception as error:  # noqa: BLE001  # a process ends by it
            fault = error
        self._on_exit(fault)

    async def _campaign(self, hello: Message) -> None:
        loop = ElectionLoop(
            manager=self._manager,
            workload=self._workload,
            clock=self._machine,
            timing=lambda: self._timing,
            step_down_backoff=self._timing.retry_period,
        )
        first = await self._first_event(loop, hello)
        self.loop = loop
        running = asyncio.create_task(loop.run(first=first))
        await asyncio.sleep(0)
        for message in self._early:
            self.receive(message)
        await running

    async def _first_event(self, loop: ElectionLoop, hello: Message) -> ev.Event:
        running = hello["running"]
        if not running:
            return ev.Stop() if hello["stopping"] else ev.Start()
        term = TermId(
            identity=self._manager.identity,
            uid=running["uid"],
            acquire_time=running["acquire_time"],
            transitions=running["transitions"],
        )
        self._workload.token = running["token"]
        if hello["stopping"]:
            self._early.append({"type": "stopping"})
        async with asyncio.timeout(max(0.0, running["until"] - self._machine.now())):
            same = await self._manager.adopt(term, token=running["token"])
        if not same:
            return await self._refuse()
        loop.held = Held(token=running["token"], term=term)
        times = {name: running[name] for name in ("sent", "stop_at", "until")}
        grant = Grant(token=running["token"], **times)
        return ev.Resume(grant=grant, timing=self._timing)

    async def _refuse(self) -> ev.Event:
        self._gone = asyncio.Event()
        self._workload.stop(why="the record is another term's", budget=0.0)
        if not any(message["type"] == "gone" for message in self._early):
            await self._gone.wait()
        self._early = [m for m in self._early if m["type"] != "gone"]
        return ev.Start()

    def receive(self, message: Message) -> None:
        if self.loop is None:
            self._early.append(message)
            if message["type"] == "gone" and self._gone is not None:
                self._gone.set()
            return
        self._heard(self.loop, message)

    def _heard(self, loop: ElectionLoop, message: Message) -> None:
        kind = message["type"]
        if kind == "stopping":
            loop.report(ev.Stop(), reason="signal")
        elif kind == "refused":
            self._report_gone(loop)
        elif kind == "gone":
            by_itself = loop.election.state is State.LEADING
            self._report_gone(loop)
            if by_itself and self._leave:
                loop.report(ev.Stop(), reason="the workload ended")
        elif kind == "stuck":
            loop.report(ev.WorkloadStuck(), reason="stuck")

    def _report_gone(self, loop: ElectionLoop) -> None:
        if loop.election.grant is not None:
            backoff = self._timing.retry_period
            loop.report(ev.WorkloadGone(backoff=backoff), reason="gone")
