"""
The guard's loop: drain the socket, read the clock, act; nothing else waits.

It is init (reaps, forwards signals), keeps an elector running, and hands what that
says to the workload, which judges it.
"""

from __future__ import annotations

import os
import selectors
import signal
import uuid
from collections.abc import Mapping
from typing import Any

from k8s_leader.clock import SystemClock
from k8s_leader.guard.cgroup import make_cgroup
from k8s_leader.guard.elector import Elector
from k8s_leader.guard.log import Log
from k8s_leader.guard.term import Refusal
from k8s_leader.guard.tree import Tree
from k8s_leader.guard.workload import Workload

__all__ = ["Guard"]

_NEVER = float("inf")
_ELECTOR_PATIENCE = 5.0
_FATAL = frozenset({75, 77, 78, 79})
_STOP = (signal.SIGTERM, signal.SIGINT)
_IGNORED = (signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE, signal.SIGXFSZ)
"""A guard behind a terminal must not be stopped by it, nor end by what it writes."""

_FAULTS = (
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTRAP,
)
_FORWARD = signal.valid_signals() - {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD),
    *_STOP,
    *_IGNORED,
    *_FAULTS,
}
"""Whatever else is sent to the guard is meant for the workload, and ends no guard."""


class Guard:
    """
    Supervisor, init and watchdog of one workload.

    Args:
        config: as ``k8s-leader run`` made it.
        config_fd: where the elector reads it.
        environ: the environment of the workload and the elector.
    """

    def __init__(
        self, config: dict[str, Any], *, config_fd: int, environ: Mapping[str, str]
    ) -> None:
        self._config = config
        self._now = SystemClock().now
        self._environ = environ
        made = uuid.UUID(bytes=os.urandom(16), version=4)
        self.identity = f"{config['identity_prefix']}_{made}"
        self._log = Log(config, identity=self.identity)
        patience = config["timing"]["renew_deadline"] / 2
        self._elector = Elector(
            config["elector_argv"], config_fd=config_fd, patience=patience
        )
        self._cgroup = make_cgroup(f"k8s-leader-{made}")
        self._tree = Tree(cgroup=self._cgroup)
        self._workload = Workload(
            config,
            environ=environ,
            tree=self._tree,
            now=self._now,
            spare=self._spare,
            tell=self._elector.send,
            log=self._log,
        )
        self._quits = 0
        self._finishing = False  # the elector ended as it should, with this status
        self._final_status = 0
        self._exit: int | None = None
        self._give_up_at = _NEVER
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._pending: list[int] = []

    def run(self) -> int:
        """
        Guard until the election is over; return the exit status.
        """
        self._take_signals()
        self._log.prove(self.identity)
        if os.getpid() != 1 and self._cgroup is None:
            self._log.say(
                "not PID 1 and no cgroup: should this guard be killed, the death of "
                "processes that left the workload's group is best effort"
            )
        self._start_elector()
        while self._exit is None:
            self._turn()
        if self._cgroup is not None:
            self._cgroup.remove()
        self._log.last(f"exit {self._exit}")
        return self._exit

    def _turn(self) -> None:
        timeout = max(0.0, self._next_look() - self._now())
        for key, _ in self._selector.select(min(timeout, 3600.0)):
            if key.fd == self._wake:
                self._pending += os.read(self._wake, 4096)
        messages = self._elector.receive(self._now())
        if self._elector.end is None:
            self._forget_socket()
        now = self._now()  # after the socket is drained, before anything is done
        for message in messages:
            self._hear(message, now)
        pending, self._pending = self._pending, []
        for number in pending:
            self._on_signal(number, now)
        self._workload.enforce(now)
        self._workload.settle(now, reap=self._reap)
        self._settle(now)

    def _next_look(self) -> float:
        soonest = self._workload.next_look(self._now())
        if self._elector.pid is not None:
            soonest = min(soonest, self._give_up_at)
        elif not self._wants_elector:
            return soonest
        return min(soonest, self._elector.next_look())

    # -- signals -----------------------------------------------------------------

    def _take_signals(self) -> None:
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        for number in (*_STOP, *_FORWARD, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _on_signal(self, number: int, now: float) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number in _STOP:
            self._quit(signal.Signals(number).name, now)
        else:
            mapped = self._config["signal_map"].get(str(number), number)
            if mapped:
                self._tree.signal(mapped)

    def _quit(self, name: str, now: float) -> None:
        self._quits += 1
        again = self._quits > 1
        self._elector.send("stopping", why=name, escalated=again)
        self._workload.close()
        if self._workload.term is None:
            self._give_up_at = min(self._give_up_at, now + _ELECTOR_PATIENCE)
        else:
            self._log.say(f"{name}: {'killing' if again else 'stopping'} the workload")
        if again:
            self._workload.stop(name, budget=0.0, now=now)
        else:
            budget = self._config["timing"]["stop_timeout"]
            self._workload.ask_to_stop(name, budget=budget, now=now)

    # -- the elector -------------------------------------------------------------

    def _start_elector(self) -> None:
        try:
            self._elector.start(now=self._now(), environ=self._environ)
        except OSError as exc:  # no memory, no process left: the workload runs on
            self._log.say(f"the elector cannot be started: {exc}", level=40)
            self._elector.reaped(now=self._now())
            return
        if self._elector.end is not None:  # pragma: no branch  # it was just started
            self._selector.register(self._elector.end, selectors.EVENT_READ)
        term = self._workload.term
        self._elector.send(
            "hello",
            version=1,
            guard=os.getpid(),
            identity=self.identity,
            cgroup=None if self._cgroup is None else self._cgroup.path,
            running=None if term is None else term.facts(),
            stopping=self._quits > 0,
        )

    def _forget_socket(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.fd != self._wake:
                self._selector.unregister(key.fileobj)

    def _elector_ended(self, code: int) -> None:
        now = self._now()
        self._elector.reaped(now=now)
        self._forget_socket()
        if code == 0 or code in _FATAL:
            self._workload.close()
            self._workload.stop("the elector ended", budget=0.0, now=now)
            self._final_status = code
            self._finishing = True
            return
        self._log.say(f"the elector ended with {code}: it is started again", level=40)

    def _hear(self, message: dict[str, Any], now: float) -> None:
        kind = message["type"]
        try:
            if kind == "start":
                self._workload.hear_start(message, now)
            elif kind == "extend":
                self._workload.hear_extend(message, now)
            elif kind == "stop":
                self._workload.hear_stop(message, now)
        except Refusal as exc:
            self._log.say(f"{kind} refused: {exc}", level=40)
            if kind == "start":
                token = message.get("token")
                self._elector.send("refused", token=token, reason=str(exc))

    # -- ends --------------------------------------------------------------------

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._elector.pid:
                self._elector_ended(os.waitstatus_to_exitcode(status))
            else:
                self._workload.reaped(pid, status)

    def _settle(self, now: float) -> None:
        """
        Draw the conclusions: the elector hangs or is missing, or all is over.
        """
        over = self._finishing or self._quits > 0
        if over and self._workload.term is None and self._give_up_at == _NEVER:
            self._give_up_at = now + _ELECTOR_PATIENCE  # it only has to release now
        if now >= self._give_up_at:
            self._elector.kill()
        elif self._elector.watch(now):
            self._log.say("the elector does not answer: it is killed", level=40)
        if self._elector.pid is not None:
            return
        if over and self._workload.is_gone:
            self._exit = self._final()
        elif self._wants_elector and now >= self._elector.restart_at:
            self._start_elector()

    @property
    def _wants_elector(self) -> bool:
        """
        Tell whether an elector that is gone has to be started again.
        """
        has_term = self._workload.term is not None
        return not self._finishing and (has_term or not self._quits)

    def _spare(self) -> tuple[int, ...]:
        return () if self._elector.pid is None else (self._elector.pid,)

    def _final(self) -> int:
        if self._final_status in _FATAL:
            return self._final_status
        code = self._workload.code or 0
        return 0 if code in self._config["success_exit_codes"] else code
