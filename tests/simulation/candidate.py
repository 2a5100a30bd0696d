"""
One candidate: a machine, a guard with its workload, an elector, a network.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from k8s_leader.election.record import Record, Stored
from k8s_leader.election.timing import Timing
from k8s_leader.guard.term import Term
from k8s_leader.leases.recorded import RecordedLeaseManager
from tests.simulation.elector import ElectorProcess
from tests.simulation.guard import GuardModel, Message
from tests.simulation.network import Link, Listener, SimStore
from tests.simulation.server import Server
from tests.simulation.workload import SimTree
from tests.simulation.world import Machine, Process, Scheduler

if TYPE_CHECKING:
    from tests.simulation.checks import Checks
    from tests.simulation.plan import Starter

__all__ = ["Candidate"]

_PIPE = 0.0001
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0


class Candidate(Listener):
    """
    One candidate of the simulation, from its start to its end.

    Attributes:
        identity: unique for this start.
        stopped: it was told to stop, or ended: nothing more is expected of it.
        hiccups: how often its elector stood still.
        stuck: its workload may be in D state: nothing is expected of it.
    """

    def __init__(
        self,
        name: str,
        starter: Starter,
        *,
        scheduler: Scheduler,
        server: Server,
        timing: Timing,
        checks: Checks,
        machine: Machine,
        chance: random.Random,
    ) -> None:
        self.name = name
        self.starts = 0
        self.identity = ""
        self.stopped = False
        self.timing = timing
        self.machine = machine
        self.link = Link(chance=chance, latency=starter.latency)
        self.asked = 0
        self.hiccups = 0
        self.stuck = False
        self.confirmed_sent = float("-inf")
        self.born = 0.0
        self.elector: ElectorProcess | None = None
        self.managers: list[RecordedLeaseManager] = []  # of each elector process
        self.guard: GuardModel
        self.tree: SimTree
        self._starter = starter
        self._scheduler = scheduler
        self._server = server
        self._checks = checks
        self._chance = chance
        self._pause = _FIRST_PAUSE
        self._processes: list[Process] = []
        self.start()

    @property
    def process(self) -> Process | None:
        return None if self.elector is None else self.elector.process

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
        self._pause = _FIRST_PAUSE
        self.tree = SimTree(
            self._scheduler,
            now=self.machine.now,
            on_run=self._runs,
            on_end=self._workload_ended,
        )
        self.tree.manners = self._starter.manners
        self.guard = self._make_guard()
        self._checks.started(self)
        self._spawn()

    def _make_guard(self) -> GuardModel:
        guard = GuardModel(
            self._scheduler,
            self.machine,
            self.tree,
            identity=self.identity,
            timing=self.timing,
            on_exit=self._starter.on_exit,
            is_pid_1=self._starter.is_pid_1,
            chance=self._chance,
            tell=self._tell,
            on_term=self._on_term,
            on_over=self._look_for_the_end,
            on_killed=self._guard_killed,
        )
        guard.lateness = self._starter.lateness
        return guard

    def kill(self) -> None:
        """
        Lose the whole container at once, as with kill -9 of PID 1.
        """
        if not self.guard.alive:
            return
        self._checks.trace(self.name, "the container is killed")
        self._leave()
        self.tree.vanish()

    def _guard_killed(self) -> None:
        self._checks.trace(self.name, "the kernel's timer kills the guard")
        self.kill()

    def crash_elector(self) -> None:
        if self.elector is not None:
            self._checks.trace(self.name, "the elector crashes")
            self._elector_ended(is_final=False)

    def quit(self) -> None:
        """
        Get SIGTERM.
        """
        if self.guard.alive:
            self.stopped = True
            self._checks.trace(self.name, "SIGTERM")
            self.guard.quit()

    def freeze_elector(self) -> Callable[[], None]:
        """
        Stop the elector; return what lets it go on.
        """
        process = self.process
        self.hiccups += 1
        if process is None:
            return lambda: None
        process.stop_()
        patience = self.timing.renew_deadline / 2
        wait = patience * (0.75 + 0.25 * self._chance.random())
        self._scheduler.after(wait, self._hung, process)
        return lambda: process.cont(timers_first=self._chance.random() < 0.5)

    def _hung(self, process: Process) -> None:
        """
        Kill an elector that did not answer the guard's pings for too long.
        """
        if process is self.process and process.stops and not self.guard.stops:
            self._checks.trace(self.name, "the hung elector is killed")
            self._elector_ended(is_final=False)

    def close(self) -> None:
        """
        End with the simulation.
        """
        self._leave()
        for process in self._processes:
            process.kill()

    # -- its elector -------------------------------------------------------------

    def _spawn(self) -> None:
        # Nothing of it is abstract that is used here.
        process = Process(  # type: ignore[abstract]
            self._scheduler, self.machine, on_error=self._checks.error(self)
        )
        self._processes.append(process)
        self.elector = ElectorProcess(
            process,
            machine=self.machine,
            tree=self.tree,
            timing=self.timing,
            on_exit_policy=self._starter.on_exit,
            make_manager=lambda: self._make_manager(process),
            say=lambda message: self._say(process, message),
            on_exit=lambda is_final, fault: self._exits(process, is_final, fault),
        )
        term = self.guard.term
        hello = {
            "version": 1,
            "identity": self.identity,
            "cgroup": self.elector,
            "running": None if term is None else term.facts(),
            "stopping": self.guard.quits > 0,
        }
        self.elector.start(hello)

    def _make_manager(self, process: Process) -> RecordedLeaseManager:
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
        manager = RecordedLeaseManager(
            store,
            identity=self.identity,
            clock=self.machine,
            lease_duration=self.timing.lease_duration,
        )
        self.managers.append(manager)
        return manager

    def _exits(self, process: Process, is_final: bool, fault: Exception | None) -> None:
        if process.alive and fault is not None:
            self._checks.find("exception", f"{self.name}: {fault!r}")
        self._scheduler.after(0.0, self._exited, process, is_final)

    def _exited(self, process: Process, is_final: bool) -> None:  # a callback
        if process is self.process:
            self._elector_ended(is_final=is_final)

    def _elector_ended(self, *, is_final: bool) -> None:
        self.end_process()
        self.guard.elector_ended(is_final=is_final)
        self._scheduler.after(self._pause, self._respawn, self.starts)
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause)

    def _respawn(self, starts: int) -> None:
        guard = self.guard
        if not guard.alive or self.starts != starts or self.elector is not None:
            return
        if guard.stops or guard.is_behind:  # it starts one in its turn, after hearing
            self._scheduler.after(0.1, self._respawn, starts)
        elif guard.wants_elector:
            self._checks.trace(self.name, "a new elector starts")
            self._spawn()

    def _look_for_the_end(self) -> None:
        """
        See, as the guard does at the end of each turn, whether all is over.
        """
        guard = self.guard
        over = guard.finishing or guard.quits > 0
        if over and self.machine.now() >= guard.give_up_at:
            self.end_process()
        gone = guard.term is None and not self.tree.exists
        if over and gone and self.elector is None:
            self._checks.trace(self.name, "leaves")
            self._leave()

    def _leave(self) -> None:
        self.stopped = True
        self.guard.die()
        self.end_process()

    def end_process(self) -> None:
        """
        End the elector and have it reaped.
        """
        process = self.process
        self.elector = None
        if process is not None:
            process.kill()

    # -- the socket pair ---------------------------------------------------------

    def _say(self, process: Process, message: Message) -> None:
        if not process.alive:
            return
        kind = message["type"]
        self._checks.trace(self.name, f"elector: {kind} token={message.get('token')}")
        if kind == "extend":
            self._checks.extends(self, message["until"])
        self._scheduler.after(_PIPE, self.guard.receive, message)

    def _tell(self, kind: str, **fields: object) -> None:
        if kind != "ack":
            self._checks.trace(self.name, f"guard: {kind} {fields}")
        elector = self.elector
        if elector is not None:
            message = {"type": kind, **fields}
            self._scheduler.after(
                _PIPE, elector.process.deliver, elector.receive, message
            )

    # -- what the checks hear ----------------------------------------------------

    def _runs(self, runs: bool) -> None:  # a callback
        self._checks.runs(self, runs)

    def _workload_ended(self) -> None:
        self._checks.trace(self.name, "the workload can be reaped")
        self.guard.wake()

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
        self._checks.asks(self)
        if process is not self.process:
            self._checks.find("second elector", f"{self.name} has two electors")
