"""
The elector process of the entrypoint: it talks to the lease and to the guard.

It holds no power over the workload: it hands grants to the guard, and when it hangs
or dies the guard stops the workload in time by itself (S9). Its exit status tells the
guard what to do next (``ExitCode``; anything unexpected means: start me again).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any

from k8s_leader.app.cluster_side import ClusterSide, lease_notes, open_cluster_side
from k8s_leader.app.companions import open_companions
from k8s_leader.app.hearing import Hearing, Inbox
from k8s_leader.app.last_duty import LastDuty
from k8s_leader.app.narration import Narrator
from k8s_leader.app.resumption import adopt, grant_of
from k8s_leader.app.stores import LeaseChoice, OpenLease, open_manager
from k8s_leader.app.tidying import kept_tidy
from k8s_leader.app.visibility import (
    Visibility,
    guard_check,
    open_visibility,
    tie_of,
)
from k8s_leader.clock import SystemClock
from k8s_leader.election import events as ev
from k8s_leader.election.events import State
from k8s_leader.election.priority import HIGHEST
from k8s_leader.election.timing import Timing
from k8s_leader.errors import ExitCode, LeaderError
from k8s_leader.leases.port import Held
from k8s_leader.log import LogContext, configure
from k8s_leader.observers.port import Notice, Observer, StateChanged
from k8s_leader.observers.status import Candidacy
from k8s_leader.runner.farewell import WorkloadWithFarewell
from k8s_leader.runner.guarded import GuardedWorkload, GuardLink, Message
from k8s_leader.runner.loop import ElectionLoop
from k8s_leader.runner.port import Workload

__all__ = ["run_elector"]

_logger = logging.getLogger(__name__)


def run_elector(config: dict[str, Any], sock_fd: int) -> int:
    """
    Campaign for the guard at the other end of ``sock_fd`` until it is over.

    Args:
        config: the guard's configuration, whole.
        sock_fd: the connected ``SOCK_SEQPACKET`` socket.

    Returns:
        An ``ExitCode``: 0 when the election ended as it should.
    """
    # Signals of a terminal's process group are the guard's to judge.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # unlike SIG_IGN it is not inherited
    try:
        with socket.socket(fileno=sock_fd) as end:
            return asyncio.run(_Elector(config).run(end))
    except LeaderError as exc:
        print(f"k8s-leader: error: {exc}", file=sys.stderr)  # noqa: T201  # last word
        return int(exc.exit_code)


class _Elector:
    """
    One elector process: a guard link, a lease and the loop between them.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._timing = Timing(**config["timing"])
        self._clock = SystemClock()
        self._status = ExitCode.OK
        self._hello: asyncio.Future[Message]
        self._link: GuardLink
        self._inbox = Inbox()
        self._duty = LastDuty(clock=self._clock, kill_time=self._timing.kill_time)
        self._loop: ElectionLoop | None = None
        self._led = False
        self._wait: asyncio.TimerHandle | None = None
        self._context = LogContext(lease=config["elector"]["lease"])
        configure(
            format=config.get("log_format", "text"),
            level=config.get("log_level", "info"),
            context=self._context,
        )

    async def run(self, end: socket.socket) -> int:
        """
        Wait for the guard's hello, then campaign; return the exit status.
        """
        self._hello = asyncio.get_running_loop().create_future()
        self._link = GuardLink(
            end, on_message=self._receive, on_end=self._duty.guard_ended
        )
        try:
            with kept_tidy():
                await self._campaign(await self._hello)
        finally:
            self._link.close()
        return int(self._status)

    def _receive(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "ping":
            self._link.send("pong")
        elif kind == "hello" and not self._hello.done():
            self._duty.meet(message)
            self._hello.set_result(message)
        else:
            self._inbox.put(message)

    # -- what is put together ----------------------------------------------------

    async def _campaign(self, hello: Message) -> None:
        config = self._config["elector"]
        identity = str(hello["identity"])
        self._context.identity = identity
        cluster = config.get("cluster", {})
        notes = lease_notes(
            cluster, proves_death=self._config.get("termination_log") is not None
        )
        workload = GuardedWorkload(
            self._link, environ=lambda held: _environ(opened, identity, held, seen)
        )
        async with (
            open_manager(
                _choice(config),
                identity=identity,
                clock=self._clock,
                timing=self._timing,
                annotate=notes,
            ) as opened,
            open_cluster_side(
                cluster, opened, identity=identity, clock=self._clock
            ) as side,
            open_visibility(
                config.get("http"),
                self._candidacy(opened, hello),
                clock=self._clock,
                checks={"guard": guard_check(int(hello["guard"]))},
                resumes=bool(hello.get("running")),
                peers=side.peers,
                sent=None if opened.client is None else opened.client.sent,
            ) as seen,
            open_companions(
                config["companions"],
                clock=self._clock,
                handed=lambda: workload.handed,
                step_down=self._step_down,
                resumes=bool(hello.get("running")),
            ) as companions,
        ):
            noted = (notes,) if notes else ()
            observers = (*seen.observers, *side.observers, *companions, *noted)
            loop = self._election(opened, self._polite(workload, side), observers)
            await self._run_election(loop, opened, workload, hello)

    def _candidacy(self, opened: OpenLease, hello: Message) -> Candidacy:
        return Candidacy(
            identity=str(hello["identity"]),
            lease=opened.lease,
            namespace=opened.namespace,
            timing=self._timing,
            tied_by=tie_of(int(hello["guard"]), hello.get("cgroup")),
        )

    def _polite(self, workload: Workload, side: ClusterSide) -> Workload:
        if side.farewell is None:
            return workload
        return WorkloadWithFarewell(
            workload, farewell=side.farewell, is_orderly=self._is_stopping
        )

    def _is_stopping(self) -> bool:
        return self._loop is not None and self._loop.election.state is State.STOPPING

    def _election(
        self, opened: OpenLease, workload: Workload, observers: tuple[Observer, ...]
    ) -> ElectionLoop:
        return ElectionLoop(
            manager=opened.manager,
            workload=workload,
            clock=self._clock,
            timing=lambda: self._timing,
            observers=(Narrator(self._context), self, *observers),
            step_down_backoff=2 * self._timing.retry_period,
        )

    # -- its course --------------------------------------------------------------

    async def _run_election(
        self,
        loop: ElectionLoop,
        opened: OpenLease,
        workload: GuardedWorkload,
        hello: Message,
    ) -> None:
        hearing = Hearing(
            loop,
            workload=workload,
            watch=self._duty.watch,
            timing=self._timing,
            one_term=bool(self._config.get("once"))
            or self._config.get("on_exit", "exit") == "exit",
        )
        first = await self._first_event(loop, opened, workload, hello)
        self._start_waiting(first)
        self._loop = loop
        running = asyncio.create_task(loop.run(first=first), name="election")
        await asyncio.sleep(0)
        if isinstance(first, ev.Resume):
            hearing.tell_started(first.grant.token, None)
        self._inbox.open(hearing.hear)
        await running

    async def _first_event(
        self,
        loop: ElectionLoop,
        opened: OpenLease,
        workload: GuardedWorkload,
        hello: Message,
    ) -> ev.Event:
        """
        Go on with the term that the guard runs if the record agrees (S16).
        """
        running = hello.get("running")
        if not running:
            return ev.Stop() if hello.get("stopping") else ev.Start()
        workload.token = running["token"]
        if hello.get("stopping"):
            self._inbox.put({"type": "stopping", "why": "signal"})
        loop.held = await adopt(running, opened.manager, clock=self._clock)
        if loop.held is None:
            return await self._refuse(workload)
        self._led = True
        grant = grant_of(running)
        self._duty.watch.acknowledged(grant)
        return ev.Resume(grant=grant, timing=self._timing)

    async def _refuse(self, workload: GuardedWorkload) -> ev.Event:
        """
        The record is not this term's: the tree dies before we campaign (S15).
        """
        _logger.warning("the running term is not the lease's: its workload is killed")
        workload.stop(why="the record is another term's", budget=0.0)
        await self._inbox.gone()
        return ev.Start()

    # -- its end -----------------------------------------------------------------

    def _start_waiting(self, first: ev.Event) -> None:
        patience = self._config["elector"].get("wait_timeout")
        if patience is not None and isinstance(first, ev.Start):
            loop = asyncio.get_running_loop()
            self._wait = loop.call_later(patience, self._waited_enough)

    def _waited_enough(self) -> None:
        if self._loop is not None and not self._led:
            _logger.error("no leadership within --wait-timeout: giving up")
            self._status = ExitCode.WAIT_TIMEOUT
            self._loop.report(ev.Stop(), reason="wait timeout")

    def _step_down(self, why: str, backoff: float) -> None:
        if self._loop is not None:
            self._loop.report(ev.StepDown(backoff=backoff), reason=why)

    def on_notice(self, notice: Notice) -> None:
        """
        Note the first term; end after a lost one when asked to.
        """
        if not isinstance(notice, StateChanged):
            return
        if notice.after is State.LEADING:
            self._led = True
            if self._wait is not None:
                self._wait.cancel()
        if notice.after is State.LOSING and self._config.get("once"):
            self._status = ExitCode.LOST
            if self._loop is not None:
                loop = asyncio.get_running_loop()
                loop.call_soon(self._loop.report, ev.Stop())


def _choice(config: Mapping[str, Any]) -> LeaseChoice:
    return LeaseChoice(
        store=config["store"],
        lease=config["lease"],
        namespace=config.get("namespace"),
        may_create=config.get("lease_create", True),
        priority=config.get("priority", HIGHEST),
        kubeconfig=config.get("kubeconfig"),
        context=config.get("context"),
    )


def _environ(
    opened: OpenLease, identity: str, held: Held, seen: Visibility
) -> dict[str, str]:
    """
    Return what the workload is told; none of these names is a setting.
    """
    term = held.term
    return {
        "LEADER_IDENTITY": identity,
        "LEADER_LEASE": opened.lease,
        "LEADER_NAMESPACE": opened.namespace,
        "LEADER_FENCING_TOKEN": "" if held.token is None else str(held.token),
        "LEADER_TERM": "" if term is None else str(term.transitions),
        **seen.environ(),
    }
