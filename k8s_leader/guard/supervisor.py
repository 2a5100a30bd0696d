"""
The guard's loop: drain the socket, read the clock, act; nothing else waits.

It stops the workload by its own clock when nobody tells it anything any more (S9),
reports ``gone`` only when every process of the tree is reaped (S5), and starts
nothing while anything of an earlier tree lives (S15).
"""

from __future__ import annotations

import os
import selectors
import signal
import uuid
from collections.abc import Mapping
from typing import Any

from k8s_leader.clock import SystemClock
from k8s_leader.guard.elector import Elector
from k8s_leader.guard.environ import workload_environ
from k8s_leader.guard.log import Log
from k8s_leader.guard.term import Refusal, Term, Times
from k8s_leader.guard.tree import Tree

__all__ = ["Guard"]

_PULSE = 0.25
"""The loop looks at the clock at least this often while a workload runs: below δ."""

_KILL_PULSE = 0.01
_ELECTOR_PATIENCE = 5.0
_FATAL = frozenset({75, 77, 78, 79})
_STOP = (signal.SIGTERM, signal.SIGINT)
_FORWARD = (
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
)
_CRASHES = 5
_QUICK = 10.0


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
        self._timing: dict[str, float] = config["timing"]
        self._now = SystemClock().now
        self._environ = environ
        made = uuid.UUID(bytes=os.urandom(16), version=4)
        self.identity = f"{config['identity_prefix']}_{made}"
        self._log = Log(config, identity=self.identity)
        self._elector = Elector(config["elector_argv"], config_fd=config_fd)
        self._tree = Tree()
        self._term: Term | None = None
        self._code: int | None = None
        self._quits = 0
        self._finishing = False  # the elector ended as it should, with this status
        self._final_status = 0
        self._exit: int | None = None
        self._give_up_at = float("inf")
        self._restart_at = float("inf")
        self._crashes = 0
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._pending: list[int] = []

    def run(self) -> int:
        """
        Guard until the election is over; return the exit status.
        """
        self._take_signals()
        self._log.prove(self.identity)
        self._start_elector()
        while self._exit is None:
            self._turn()
        self._log.last(f"exit {self._exit}")
        return self._exit

    def _turn(self) -> None:
        timeout = max(0.0, self._next_look() - self._now())
        for key, _ in self._selector.select(timeout):
            if key.fd == self._wake:
                self._pending += os.read(self._wake, 4096)
        messages = self._elector.receive()
        if self._elector.end is None:
            self._forget_socket()
        now = self._now()  # after the socket is drained, before anything is done
        for message in messages:
            self._hear(message, now)
        pending, self._pending = self._pending, []
        for number in pending:
            self._on_signal(number, now)
        self._enforce(now)
        self._settle(now)

    def _next_look(self) -> float:
        now = self._now()
        if self._term is not None:
            pulse = _KILL_PULSE if self._term.killing else _PULSE
            due = self._term.hard_deadline(kill_time=self._timing["kill_time"])
            stop_at = self._term.times.stop_at
            soonest = due if self._term.stopping else min(due, stop_at)
            soonest = min(now + pulse, max(soonest, now + 0.001), self._restart_at)
        else:
            soonest = min(self._give_up_at, now + 3600)
        if self._elector.pid is None:
            soonest = min(soonest, self._elector.restart_at)
        return soonest

    # -- signals -----------------------------------------------------------------

    def _take_signals(self) -> None:
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        for number in (*_STOP, *_FORWARD, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _on_signal(self, number: int, now: float) -> None:
        if number == signal.SIGCHLD:
            self._reap(now)
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
        if self._term is None:
            self._give_up_at = min(self._give_up_at, now + _ELECTOR_PATIENCE)
            if self._elector.pid is None:
                self._exit = self._final()
            return
        budget = 0.0 if again else self._timing["stop_timeout"]
        self._log.say(f"{name}: {'killing' if again else 'stopping'} the workload")
        self._stop(self._term, name, kill_at=now + budget)

    # -- the elector -------------------------------------------------------------

    def _start_elector(self) -> None:
        self._elector.start(now=self._now(), environ=self._environ)
        if self._elector.end is not None:
            self._selector.register(self._elector.end, selectors.EVENT_READ)
        self._elector.send(
            "hello",
            version=1,
            identity=self.identity,
            running=None if self._term is None else self._term.facts(),
            stopping=self._quits > 0,
        )

    def _forget_socket(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.fd != self._wake:
                self._selector.unregister(key.fileobj)

    def _elector_ended(self, code: int, now: float) -> None:
        self._elector.reaped(now=now)
        self._forget_socket()
        if code == 0 or code in _FATAL:
            if self._term is not None:
                self._stop(self._term, "the elector ended", kill_at=now)
            self._final_status = code
            self._finishing = True
            return
        self._log.say(f"the elector ended with {code}: it is started again", level=40)

    def _hear(self, message: dict[str, Any], now: float) -> None:
        kind = message["type"]
        try:
            if kind == "start":
                self._hear_start(message, now)
            elif kind == "extend":
                self._hear_extend(message, now)
            elif kind == "stop":
                self._hear_stop(message, now)
        except Refusal as exc:
            self._log.say(f"{kind} refused: {exc}", level=40)
            if kind == "start":
                token = message.get("token")
                self._elector.send("refused", token=token, reason=str(exc))

    def _hear_start(self, message: dict[str, Any], now: float) -> None:
        spare = self._spare()
        if self._term is not None or not self._tree.is_empty(spare=spare):
            raise Refusal("the tree of an earlier start is not gone")
        if self._quits:
            raise Refusal("this guard is stopping")
        self._term = Term.read(message, timing=self._timing, now=now)
        self._crashes = 0
        self._spawn(self._term)

    def _hear_extend(self, message: dict[str, Any], now: float) -> None:
        term = self._term
        if term is None or message.get("token") != term.token:
            raise Refusal("it is for another term")
        if now >= term.times.stop_at and now >= term.times.until:
            raise Refusal("the grant has ended")
        times = Times.read(message, timing=self._timing, now=now)
        if times.sent < term.times.sent:
            raise Refusal("it is older than the one before")
        term.times = times
        self._elector.send("ack", token=term.token, until=times.until, now=now)

    def _hear_stop(self, message: dict[str, Any], now: float) -> None:
        term = self._term
        if term is None:
            return
        if message.get("token") != term.token:
            raise Refusal("it is for another term")
        budget = message.get("budget", 0.0)
        if not isinstance(budget, int | float) or not budget >= 0:
            budget = 0.0
        self._stop(term, str(message.get("why", "stop")), kill_at=now + budget)

    # -- the workload ------------------------------------------------------------

    def _spawn(self, term: Term) -> None:
        environ = workload_environ(self._environ) | term.environ
        self._restart_at = float("inf")
        pid = self._tree.start(
            self._config["command"],
            environ,
            stop_at=term.times.stop_at,
            now=self._now,
        )
        self._elector.send("started", token=term.token, pid=pid)
        self._log.say(f"workload started: pid={pid} token={term.token}")

    def _stop(self, term: Term, why: str, *, kill_at: float) -> None:
        self._restart_at = float("inf")
        if term.stop(why, kill_at=kill_at) and kill_at > self._now():
            left = kill_at - self._now()
            self._log.say(f"workload stopping ({why}): SIGKILL in {left:.2f} s")
            self._tree.signal(self._config["stop_signal"])
            self._tree.signal(signal.SIGCONT)

    def _enforce(self, now: float) -> None:
        """
        Hold every deadline, whatever was heard (S2, S9).
        """
        term = self._term
        if term is None:
            if now >= self._give_up_at:
                self._elector.kill()
            return
        kill_time = self._timing["kill_time"]
        if now >= term.times.stop_at:
            self._stop(term, "the grant ends", kill_at=now + kill_time)
        if now >= term.hard_deadline(kill_time=kill_time):
            if not term.killing:
                self._log.say(f"workload killed ({term.stopping or 'deadline'})")
            term.stop("deadline", kill_at=now)
            term.killing = True
            self._tree.kill(spare=self._spare())
            if os.getpid() == 1 and now >= term.times.until:
                os._exit(137)  # the kernel kills all that is left of the namespace
        elif now >= self._restart_at and not term.stopping:
            self._spawn(term)

    def _reap(self, now: float) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._elector.pid:
                code = os.waitstatus_to_exitcode(status)
                self._elector_ended(code, now)
            elif self._tree.reaped(pid, status):
                self._code = self._tree.code
                self._log.say(f"workload ended with {self._code}")

    def _settle(self, now: float) -> None:
        """
        Draw the conclusions: the tree is gone, the elector is missing, all is over.
        """
        term = self._term
        waits = self._restart_at < float("inf")  # for its next start
        if term is not None and self._tree.leader is None and not waits:
            self._settle_tree(term, now)
        if self._finishing and self._term is None:
            self._exit = self._final()
        elif self._elector.pid is None and now >= self._elector.restart_at:
            if self._quits and self._term is None:
                self._exit = self._final()
            else:
                self._start_elector()

    def _settle_tree(self, term: Term, now: float) -> None:
        spare = self._spare()
        self._reap(now)
        if not self._tree.is_empty(spare=spare):
            # The command is gone, what it left behind goes now.
            term.killing = True
            self._tree.kill(spare=spare)
            self._reap(now)
            if not self._tree.is_empty(spare=spare):
                return
        if self._restart_instead(term, now):
            return
        loops = self._crashes >= _CRASHES
        self._term = None
        if self._quits:  # it only has to release now
            self._give_up_at = now + _ELECTOR_PATIENCE
        self._elector.send("exited", token=term.token, code=self._code)
        self._elector.send(
            "gone", token=term.token, code=self._code, now=now, crash_loop=loops
        )
        self._log.say("workload gone: every process of it is reaped")

    def _restart_instead(self, term: Term, now: float) -> bool:
        if self._config["on_exit"] != "restart" or term.stopping or self._quits:
            return False
        quick = now - self._tree.started_at < _QUICK
        self._crashes = self._crashes + 1 if quick else 1
        if self._crashes >= _CRASHES:
            self._log.say("the workload keeps crashing: leadership is given up")
            return False
        pause = min(10.0, 0.5 * 2**self._crashes)
        term.killing = False
        self._restart_at = now + pause
        self._log.say(f"workload ended: started again in {pause:g} s")
        return True

    def _spare(self) -> tuple[int, ...]:
        return () if self._elector.pid is None else (self._elector.pid,)

    def _final(self) -> int:
        if self._final_status in _FATAL:
            return self._final_status
        code = self._code or 0
        return 0 if code in self._config["success_exit_codes"] else code
