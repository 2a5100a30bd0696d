"""
The elector process of the entrypoint: it talks to the lease and to the guard.

It holds no power over the workload: it hands grants to the guard, and when it hangs
or dies the guard stops the workload in time by itself (S9). Its exit status tells the
guard what to do next (``ExitCode``; anything unexpected means: start me again).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from k8s_leader.app.cluster_observers import lease_notes, open_cluster_side
from k8s_leader.app.companions import open_companions
from k8s_leader.app.stores import LeaseChoice, OpenLease, open_manager
from k8s_leader.app.visibility import guard_check, open_visibility
from k8s_leader.clock import SystemClock
from k8s_leader.election import events as ev
from k8s_leader.election.events import State
from k8s_leader.election.grant import Grant
from k8s_leader.election.priority import HIGHEST
from k8s_leader.election.record import TermId
from k8s_leader.election.timing import Timing
from k8s_leader.errors import ExitCode, LeaderError, LeaseUnavailableError
from k8s_leader.leases.port import Held
from k8s_leader.log import LogContext, configure
from k8s_leader.observers.port import (
    Notice,
    Observer,
    StateChanged,
    WorkloadExited,
    WorkloadStarted,
)
from k8s_leader.observers.status import Candidacy
from k8s_leader.runner.burial import GuardWatch, bury
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
        self._loop: ElectionLoop | None = None
        self._early: list[Message] = []
        self._guard = 0  # its own word: our parent may be init already when we ask
        self._cgroup: str | None = None
        self._workload: GuardedWorkload | None = None
        self._watch = GuardWatch(
            clock=self._clock,
            kill_time=self._timing.kill_time,
            on_silent=self._guard_silent,
        )
        self._burial: asyncio.Task[None] | None = None
        self._led = False
        self._wait: asyncio.TimerHandle | None = None
        self._on_gone: asyncio.Event | None = None  # while a refused term is killed
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
        link = GuardLink(end, on_message=self._receive, on_end=self._guard_ended)
        self._link = link
        try:
            hello = await self._hello
            self._guard = int(hello["guard"])
            self._cgroup = hello.get("cgroup")
            await self._campaign(link, hello)
        finally:
            link.close()
        return int(self._status)

    async def _campaign(self, link: GuardLink, hello: Message) -> None:
        choice = _choice(self._config["elector"])
        identity = str(hello["identity"])
        self._context.identity = identity
        cluster = self._config["elector"].get("cluster", {})
        notes = lease_notes(
            cluster, proves_death=self._config.get("termination_log") is not None
        )
        async with (
            open_manager(
                choice,
                identity=identity,
                clock=self._clock,
                timing=self._timing,
                annotate=notes,
            ) as opened,
            open_cluster_side(
                cluster, opened, identity=identity, clock=self._clock
            ) as side,
            open_visibility(
                self._config["elector"].get("http"),
                self._candidacy(opened, identity),
                clock=self._clock,
                checks={"guard": guard_check(self._guard)},
                resumes=bool(hello.get("running")),
                peers=side.peers,
            ) as seen,
            open_companions(
                self._config["elector"]["companions"],
                clock=self._clock,
                handed=lambda: {} if self._workload is None else self._workload.handed,
                step_down=self._step_down,
                resumes=bool(hello.get("running")),
            ) as companions,
        ):
            noted = (notes,) if notes else ()
            observers = (*seen.observers, *side.observers, *companions, *noted)
            workload = GuardedWorkload(
                link,
                environ=lambda held: {
                    **_environ(opened, identity, held),
                    **seen.environ(),
                },
            )
            self._workload = workload
            polite = self._polite(workload, side.farewell)
            loop = self._election(opened, polite, observers)
            first = await self._first_event(loop, opened, workload, hello)
            await self._run_election(loop, first, hello)

    async def _run_election(
        self, loop: ElectionLoop, first: ev.Event, hello: Message
    ) -> None:
        self._start_waiting(first)
        self._loop = loop
        running = asyncio.create_task(loop.run(first=first), name="election")
        await asyncio.sleep(0)
        if isinstance(first, ev.Resume):
            _tell_started(loop, first.grant.token, hello["running"].get("pid"))
        for message in self._early:
            self._receive(message)
        await running

    def _election(
        self, opened: OpenLease, workload: Workload, observers: tuple[Observer, ...]
    ) -> ElectionLoop:
        return ElectionLoop(
            manager=opened.manager,
            workload=workload,
            clock=self._clock,
            timing=lambda: self._timing,
            observers=(self, *observers),
            step_down_backoff=2 * self._timing.retry_period,
        )

    def _candidacy(self, opened: OpenLease, identity: str) -> Candidacy:
        return Candidacy(
            identity=identity,
            lease=opened.lease,
            namespace=opened.namespace,
            timing=self._timing,
        )

    def _step_down(self, why: str, backoff: float) -> None:
        if self._loop is not None:
            self._loop.report(ev.StepDown(backoff=backoff), reason=why)

    def _polite(
        self, workload: Workload, farewell: Callable[[], Awaitable[None]] | None
    ) -> Workload:
        if farewell is None:
            return workload
        return WorkloadWithFarewell(
            workload,
            farewell=farewell,
            is_orderly=lambda: (
                self._loop is not None and self._loop.election.state is State.STOPPING
            ),
        )

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
        if hello.get("stopping") and not hello.get("running"):
            return ev.Stop()
        running = hello.get("running")
        if not running:
            return ev.Start()
        term = TermId(
            identity=opened.manager.identity,
            uid=running["uid"],
            acquire_time=running["acquire_time"],
            transitions=running["transitions"],
        )
        workload.token = running["token"]
        if hello.get("stopping"):
            self._early.append({"type": "stopping", "why": "signal"})
        try:
            async with asyncio.timeout_at(_loop_time(running["until"], self._clock)):
                same = await opened.manager.adopt(term, token=running["token"])
        except TimeoutError:
            raise LeaseUnavailableError(
                "the store did not answer while the running term could be continued"
            ) from None
        if not same:
            return await self._refuse(workload)
        loop.held = Held(token=running["token"], term=term)
        self._led = True
        grant = Grant(
            token=running["token"],
            sent=running["sent"],
            stop_at=running["stop_at"],
            until=running["until"],
        )
        self._watch.acknowledged(grant)
        return ev.Resume(grant=grant, timing=self._timing)

    async def _refuse(self, workload: GuardedWorkload) -> ev.Event:
        """
        The record is not this term's: the tree dies before we campaign (S15).
        """
        _logger.warning("the running term is not the lease's: its workload is killed")
        gone = asyncio.Event()
        self._on_gone = gone
        workload.stop(why="the record is another term's", budget=0.0)
        if not any(message["type"] == "gone" for message in self._early):
            await gone.wait()
        self._early = [m for m in self._early if m["type"] not in ("gone", "exited")]
        return ev.Start()

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

    # -- what the guard tells ----------------------------------------------------

    def _receive(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "ping":
            self._link.send("pong")
        elif kind == "hello" and not self._hello.done():
            self._hello.set_result(message)
        elif self._loop is None:
            self._early.append(message)
            if kind == "gone" and self._on_gone is not None:
                self._on_gone.set()
        else:
            self._heard(self._loop, str(kind), message)

    def _heard(self, loop: ElectionLoop, kind: str, message: Message) -> None:
        if kind in ("started", "ack"):
            self._acknowledged(message)
            if kind == "started":
                _tell_started(loop, message.get("token"), message.get("pid"))
        elif kind == "doubt":
            loop.report(ev.Doubt(), reason="the wall clock jumped")
        elif kind == "stopping":
            loop.report(ev.Stop(), reason=str(message.get("why", "signal")))
        elif kind == "refused":
            _logger.error("the guard refused to start: %s", message.get("reason"))
            self._report_gone(loop, self._timing.retry_period)
        elif kind == "gone":
            self._watch.gone()
            token, code = message.get("token"), message.get("code")
            loop.tell(WorkloadExited(token=token, code=code))
            self._heard_gone(loop, message)
        elif kind == "stuck":
            _logger.error("the workload cannot be killed: %s", message.get("pids"))
            loop.report(ev.WorkloadStuck(), reason="stuck")

    def _heard_gone(self, loop: ElectionLoop, message: Message) -> None:
        by_itself = loop.election.state is State.LEADING
        backoff = self._timing.retry_period
        if message.get("crash_loop"):
            backoff = self._timing.lease_duration
        self._report_gone(loop, backoff)
        policy = self._config.get("on_exit", "exit")
        if by_itself and (policy == "exit" or self._config.get("once")):
            loop.report(ev.Stop(), reason="the workload ended")

    def _report_gone(self, loop: ElectionLoop, backoff: float) -> None:
        if loop.election.grant is None:
            return
        by_itself = loop.election.state is State.LEADING
        reason = "the workload ended" if by_itself else ""  # else why it was stopped
        loop.report(ev.WorkloadGone(backoff=backoff), reason=reason)

    def _acknowledged(self, message: Message) -> None:
        asked = None if self._workload is None else self._workload.asked
        if asked is not None and message.get("until", asked.until) == asked.until:
            self._watch.acknowledged(asked)

    def _guard_ended(self) -> None:
        self._bury("the guard is dead")

    def _guard_silent(self) -> None:
        self._bury("the guard does not answer")

    def _bury(self, why: str) -> None:
        """
        End the workload in the guard's place; renew meanwhile, and never release.
        """
        if self._burial is not None:
            return
        _logger.error("%s: its workload is killed, the lease is left to expire", why)
        self._burial = asyncio.create_task(self._bury_and_exit(), name="burial")

    async def _bury_and_exit(self) -> None:
        if self._hello.done():
            identity = str(self._hello.result()["identity"])
            await bury(identity=identity, guard=self._guard, cgroup=self._cgroup)
        os._exit(int(ExitCode.INTERNAL))

    # -- what the election tells -------------------------------------------------

    def on_notice(self, notice: Notice) -> None:
        """
        Take note of a change of state.
        """
        if isinstance(notice, StateChanged):
            self._changed(notice)

    def _changed(self, transition: StateChanged) -> None:
        """
        Log a change, with its consequence, and end after one term when asked to.
        """
        self._context.term = transition.token
        level = logging.DEBUG if transition.is_routine else logging.INFO
        _logger.log(level, "%s", _sentence(transition))
        if transition.after is State.LEADING:
            self._led = True
            if self._wait is not None:
                self._wait.cancel()
        if transition.after is State.LOSING and self._config.get("once"):
            self._status = ExitCode.LOST
            self._finish_soon()

    def _finish_soon(self) -> None:
        loop = self._loop
        if loop is not None:
            asyncio.get_running_loop().call_soon(loop.report, ev.Stop())


_SENTENCES = {
    State.LEADING: "leading: the workload is started",
    State.STOPPING: "stopping: the workload is told to stop, the lease is kept",
    State.LOSING: "leadership lost: the workload is stopped before the grant ends",
    State.RELEASING: "the workload is gone: the lease is released",
    State.STOPPED: "the candidacy is over",
}


def _sentence(transition: StateChanged) -> str:
    reason = f" ({transition.reason})" if transition.reason else ""
    token = "" if transition.token is None else f" token={transition.token}"
    if transition.after is State.STANDBY:
        who = transition.holder or "nobody"
        return f"standby: {who} leads{reason}"
    if transition.after is State.ACQUIRING:
        return f"trying to acquire{reason}"
    return f"{_SENTENCES[transition.after]}{reason}{token}"


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


def _environ(opened: OpenLease, identity: str, held: Held) -> dict[str, str]:
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
    }


def _loop_time(instant: float, clock: SystemClock) -> float:
    return asyncio.get_running_loop().time() + max(0.0, instant - clock.now())


def _tell_started(loop: ElectionLoop, token: int | None, pid: int | None) -> None:
    loop.tell(WorkloadStarted(token=token, pid=pid))
