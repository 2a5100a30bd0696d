"""
One candidate: a machine, a guard with its workload, an elector, a network.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from k8s_leader.election.record import Record, Stored
from k8s_leader.election.timing import Timing
from k8s_leader.errors import LeaseError, LeaseForbiddenError
from k8s_leader.guard.term import Term
from k8s_leader.leases.recorded import RecordedLeaseManager
from tests.simulation.elector import Elector
from tests.simulation.guard import GuardModel, Message
from tests.simulation.network import Link, Listener, SimStore
from tests.simulation.server import Server
from tests.simulation.workload import Manners, Tree
from tests.simulation.world import Machine, Process, Scheduler

if TYPE_CHECKING:
    from tests.simulation.checks import Checks

__all__ = ["Candidate"]

_PIPE = 0.0001
_LONGEST_PAUSE = 4.0
_GUARD_PATIENCE = 5.0


class Candidate(Listener):
    """
    One candidate of the simulation, from its start to its end.

    Attributes:
        identity: unique for this start.
        stopped: it was told to stop, or ended: nothing more is expected of it.
    """

    def __init__(
        self,
        name: str,
        *,
        scheduler: Scheduler,
        server: Server,
        timing: Timing,
        checks: Checks,
        machine: Machine,
        chance: random.Random,
        manners: Manners,
        lateness: float,
        latency: float,
        leave_after_term: bool,
    ) -> None:
        self.name = name
        self.starts = 0
        self.identity = ""
        self.stopped = False
        self.timing = timing
        self.machine = machine
        self.link = Link(chance=chance, latency=latency)
        self.asked = 0
        self.hiccups = 0  # how often its elector stood still
        self.stuck = False
        self.confirmed_sent = float("-inf")
        self.born = 0.0
        self._scheduler = scheduler
        self._server = server
        self._checks = checks
        self._chance = chance
        self._leave = leave_after_term
        self._manners = manners
        self._lateness = lateness
        self._pause = 0.5
        self._leaving = 0
        self.frozen_elector = 0
        self.process: Process | None = None
        self._processes: list[Process] = []
        self.elector: Elector | None = None
        self.guard: GuardModel
        self.tree: Tree
        self.start()

    # -- its life ----------------------------------------------------------------

    def start(self) -> None:
        """
        Start as a new container: a new guard, a new identity, nothing remembered.
        """
        if self.starts and self.guard.alive:
            return
        self.starts += 1
        self.identity = self.name if self.starts == 1 else f"{self.name}_{self.starts}"
        self.stopped = False
        self.born = self._scheduler.now
        self.confirmed_sent = float("-inf")
        self._pause = 0.5
        self.tree = Tree(
            self._scheduler, on_run=self._runs, on_reaped=self._tree_reaped
        )
        self.tree.manners = self._manners
        self.guard = self._make_guard(self.tree)
        self._checks.started(self)
        self._spawn()

    def _make_guard(self, tree: Tree) -> GuardModel:
        guard: GuardModel = self._checks.parts.guard(
            self._scheduler,
            self.machine,
            tree,
            timing=dataclasses.asdict(self.timing),
            chance=self._chance,
        )
        guard.lateness = self._lateness
        guard.tell = self._tell
        guard.on_term = self._on_term
        guard.on_idle = self._guard_idle
        return guard

    def kill(self) -> None:
        """
        Lose the whole container at once, as with kill -9 of PID 1.
        """
        if self.stopped and not self.guard.alive:
            return
        self.stopped = True
        self.guard.alive = False
        self.tree.vanish()
        self.end_process()
        self._checks.trace(self.name, "the container is killed")

    def crash_elector(self) -> None:
        if self.process is not None and self.process.alive:
            self._checks.trace(self.name, "the elector crashes")
            self._elector_ended(70)

    def end_process(self) -> None:
        """
        Have the elector reaped.
        """
        process, self.process = self.process, None
        if process is not None:
            process.kill()

    def quit(self) -> None:
        """
        Get SIGTERM.
        """
        if self.guard.alive:
            self.stopped = True
            self._checks.trace(self.name, "SIGTERM")
            self.guard.quit()

    def freeze_elector(self) -> None:
        self.hiccups += 1
        self.frozen_elector += 1
        if self.process is not None:
            self.process.stop_()

    def thaw_elector(self) -> None:
        self.frozen_elector -= 1
        if self.process is not None:
            self.process.cont(timers_first=self._chance.random() < 0.5)

    def close(self) -> None:
        """
        End with the simulation.
        """
        self.guard.alive = False
        self.end_process()
        for process in self._processes:
            process.kill()

    def _spawn(self) -> None:
        process = Process(  # type: ignore[abstract]  # all that is used is there
            self._scheduler, self.machine, on_error=self._checks.error(self)
        )
        store = SimStore(
            self._server,
            self.link,
            scheduler=self._scheduler,
            process=process,
            name=self.name,
            timeout=self.timing.request_timeout,
            listener=self,
            now=self.machine.now,
        )
        manager: RecordedLeaseManager = self._checks.parts.manager(
            store,
            identity=self.identity,
            clock=self.machine,
            lease_duration=self.timing.lease_duration,
        )
        self.process = process
        self._processes.append(process)
        self.elector = elector = Elector(
            machine=self.machine,
            timing=self.timing,
            manager=manager,
            store=store,
            say=self._sayer(process),
            on_exit=lambda error: self._exits(process, error),
            leave_after_term=self._leave,
        )
        for _ in range(self.frozen_elector):
            process.stop_()
        term = self.guard.term
        hello = {
            "running": None if term is None else term.facts(),
            "stopping": self.guard.quits > 0,
        }
        process.deliver(lambda: process.create_task(elector.run(hello)))

    def _exits(self, process: Process, error: Exception | None) -> None:
        self._scheduler.after(0.0, self._ended, process, error)

    def _ended(self, process: Process, error: Exception | None) -> None:
        if process is not self.process or not process.alive:
            return
        if error is not None and not isinstance(error, LeaseError | TimeoutError):
            self._checks.find("exception", f"{self.name}: {error!r}")
        gives_up = isinstance(error, LeaseForbiddenError)
        self._elector_ended(0 if error is None or gives_up else 70)

    def _elector_ended(self, status: int) -> None:
        self.end_process()
        if not self.guard.alive:
            return
        if status == 0 or (self.guard.quits and self.guard.term is None):
            self._leave_for_good()
            return
        self._scheduler.after(self._pause, self._respawn, self.starts)
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause)

    def _respawn(self, starts: int) -> None:
        if self.guard.alive and self.starts == starts and self.process is None:
            if self.guard.stops:
                self._scheduler.after(0.1, self._respawn, starts)
                return
            self._checks.trace(self.name, "a new elector starts")
            self._spawn()

    def _guard_idle(self) -> None:
        """
        Wait for the release only so long, once told to stop.
        """
        if self._leaving != self.starts:
            self._leaving = self.starts
            self._scheduler.after(_GUARD_PATIENCE, self._give_up, self.starts)

    def _give_up(self, starts: int) -> None:
        if self.starts == starts and self.guard.alive and not self.tree.exists:
            self.end_process()
            self._leave_for_good()

    def _leave_for_good(self) -> None:
        self.stopped = True
        if self.tree.exists:  # the elector ended under a workload: kill it
            self.tree.kill()
            return
        self.guard.alive = False
        self._checks.trace(self.name, "left")

    # -- the socket pair ---------------------------------------------------------

    def _sayer(self, process: Process) -> Callable[[Message], None]:
        def say(message: Message) -> None:
            if process.alive:
                kind, token = message["type"], message.get("token")
                self._checks.trace(self.name, f"elector: {kind} token={token}")
                if kind == "extend":
                    self._checks.extends(self, message["until"])
                self._scheduler.after(_PIPE, self.guard.receive, message)

        return say

    def _tell(self, kind: str, fields: dict[str, Any]) -> None:
        if kind != "ack":
            self._checks.trace(self.name, f"guard: {kind} {fields}")
        if self.process is not None and self.elector is not None:
            message = {"type": kind, **fields}
            self._scheduler.after(
                _PIPE, self.process.deliver, self.elector.receive, message
            )

    # -- what the checks hear ----------------------------------------------------

    def _runs(self, runs: bool) -> None:  # a callback
        self._checks.runs(self, runs)

    def _tree_reaped(self) -> None:
        self._checks.trace(self.name, "the workload is reaped")
        self.guard.wake()
        if self.stopped and self.process is None:
            self.guard.alive = False

    def _on_term(self, term: Term) -> None:
        self._checks.granted(self, term)

    def sends(self, over: Stored | None, record: Record) -> None:
        self._checks.sends(self, over, record)

    def confirmed(self, sent: float, stored: Stored) -> None:
        self.confirmed_sent = max(self.confirmed_sent, sent)
        self._checks.confirmed(self, stored)

    def sees(self, stored: Stored | None, *, quorum: bool) -> None:
        self._checks.sees(self, stored, quorum=quorum)

    def asks(self, process: Process) -> None:
        self.asked += 1
        if process is not self.process:
            self._checks.find("second elector", f"{self.name} has two electors")
