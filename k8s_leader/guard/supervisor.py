"""
The guard's loop: drain the socket, read the clock, act; nothing else waits.

It is init (reaps, forwards signals), keeps an elector running, and hands what that
says to the workload, which judges it.
"""

from __future__ import annotations

import os
import select
import signal

from k8s_leader.guard.cgroup import make_cgroup
from k8s_leader.guard.elector import Elector
from k8s_leader.guard.linux import boot_time
from k8s_leader.guard.log import Log
from k8s_leader.guard.term import NEVER, Refusal
from k8s_leader.guard.tree import ALL_SIGNALS, Tree
from k8s_leader.guard.workload import Workload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Guard"]

_ELECTOR_PATIENCE = 5.0
_LONGEST_WAIT = 3600.0
_MOST_REAPED = 1000
"""In one turn: children that end faster than that may not keep a deadline waiting."""
_FATAL = frozenset({75, 77, 78, 79})
_STOP = {signal.SIGTERM, signal.SIGINT}
_CHILD = bytes([signal.SIGCHLD])
_IGNORED = {signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE, signal.SIGXFSZ}
"""A guard behind a terminal must not be stopped by it, nor end by what it writes."""

_FAULTS = {
    *(signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV),
    *(signal.SIGSYS, signal.SIGTRAP),
}
_HEARD = ALL_SIGNALS - {signal.SIGKILL, signal.SIGSTOP} - _IGNORED - _FAULTS
"""What is neither a stop nor a child's end is meant for the workload."""


class Guard:
    """
    Supervisor, init and watchdog of one workload.

    Args:
        config: as ``k8s-leader run`` made it.
        config_fd: where the elector reads it.
        environ: the environment of the workload and the elector.
    """

    def __init__(
        self, config: dict[str, Any], *, config_fd: int, environ: dict[str, str]
    ) -> None:
        self._config = config
        self._environ = environ
        made = _uuid4()
        self.identity = f"{config['identity_prefix']}_{made}"
        self._log = Log(config, identity=self.identity)
        self._cgroup = make_cgroup(made)
        self._elector = Elector(
            config["elector_argv"],
            config_fd=config_fd,
            patience=config["timing"]["renew_deadline"] / 2,
            cgroup=self._cgroup,
        )
        self._workload = Workload(
            config,
            environ=environ,
            tree=Tree(spare=lambda: self._elector.pid),
            now=boot_time,
            tell=self._elector.send,
            log=self._log,
            cgroup=self._cgroup,
        )
        self._quits = 0
        self._unreaped = False
        self._status: int | None = None  # of an elector that ended as it should
        self._exit: int | None = None
        self._give_up_at = NEVER
        self._refused = ""
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        """
        Guard until the election is over; return the exit status.
        """
        self._take_signals()
        self._log.prove(self.identity)
        self._start_elector()
        self._move_in()  # takes longer than a fork: the elector loads meanwhile
        while self._exit is None:
            self._turn()
        if self._cgroup is not None:
            self._cgroup.leave()
            self._cgroup.remove()
        self._log.last(f"exit {self._exit}")
        return self._exit

    def _move_in(self) -> None:
        if not (self._cgroup and self._cgroup.enter()) and os.getpid() != 1:
            self._log.say(
                "not PID 1 and no cgroup: should this guard be killed, the death of "
                "processes that left the workload's group is best effort"
            )

    def _turn(self) -> None:
        wait = 0.0 if self._unreaped else self._next_look() - boot_time()
        pending = self._wait(wait)
        messages = self._elector.receive(boot_time())
        now = boot_time()  # after the socket is drained, before anything is done
        for message in messages:
            self._hear(message, now)
        for number in pending.replace(_CHILD, b""):
            self._on_signal(number, now)
        if self._unreaped or _CHILD in pending:
            self._reap()
        self._workload.enforce(now)
        self._workload.settle(now)
        self._settle(now)

    def _wait(self, seconds: float) -> bytes:
        """
        Wait for a word of the elector, or a signal; return the signals.
        """
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._elector.end is not None:
            poll.register(self._elector.end, select.POLLIN)
        ready = poll.poll(1000 * max(0.0, min(seconds, _LONGEST_WAIT)))
        return (
            os.read(self._wake, 4096) if (self._wake, select.POLLIN) in ready else b""
        )

    def _next_look(self) -> float:
        soonest = self._workload.next_look(boot_time())
        if self._elector.pid is not None:
            return min(soonest, self._give_up_at, self._elector.look_at)
        return min(soonest, self._elector.look_at) if self._wants_elector else soonest

    # -- signals -----------------------------------------------------------------

    def _take_signals(self) -> None:
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        for number in _HEARD:
            signal.signal(number, lambda *_: None)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _on_signal(self, number: int, now: float) -> None:
        if number in _STOP:
            self._quit(signal.Signals(number).name, now)
        else:
            mapped = self._config["signal_map"].get(str(number), number)
            if mapped:
                self._workload.forward(mapped)

    def _quit(self, name: str, now: float) -> None:
        self._quits += 1
        again = self._quits > 1
        self._elector.send("stopping", why=name, escalated=again)
        self._workload.close()
        leads = self._workload.term is not None
        if again:
            self._workload.stop(name, budget=0.0, now=now)
        else:
            budget = self._config["timing"]["stop_timeout"]
            self._workload.ask_to_stop(name, budget=budget, now=now)
        if leads:
            self._log.say(f"{name}: {'killing' if again else 'stopping'} the workload")

    # -- the elector -------------------------------------------------------------

    def _start_elector(self) -> None:
        try:
            if early := self._config.pop("early", None):  # `run` started the first one
                self._elector.adopt(*early, now=boot_time())
            else:
                self._elector.start(now=boot_time(), environ=self._environ)
        except OSError as exc:  # no memory, no process left: the workload runs on
            self._log.say(f"the elector cannot be started: {exc}", level=40)
            self._elector.reaped(now=boot_time())
            return
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
        self._elector.send("ping")  # a standby has nothing to say unless it is asked

    def _elector_ended(self, code: int) -> None:
        now = boot_time()
        self._elector.reaped(now=now)
        if code == 0 or code in _FATAL:
            self._workload.close()
            self._workload.stop("the elector ended", budget=0.0, now=now)
            self._status = code
        else:
            self._log.say(
                f"the elector ended with {code}: it is started again", level=40
            )

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
            if kind == "start":
                token = message.get("token")
                self._elector.send("refused", token=token, reason=str(exc))
            line = f"{kind} refused: {exc}"
            if line != self._refused:  # a flood of nonsense is not to fill the log
                self._log.say(line, level=40)
            self._refused = line

    # -- ends --------------------------------------------------------------------

    def _reap(self) -> None:
        self._unreaped = False
        for _ in range(_MOST_REAPED):
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
        self._unreaped = True  # the rest in the next turn, which waits for nothing

    def _settle(self, now: float) -> None:
        """
        Draw the conclusions: the elector hangs or is missing, or all is over.
        """
        over = self._status is not None or self._quits > 0
        if over and self._workload.term is None:  # it only has to release now
            self._give_up_at = min(self._give_up_at, now + _ELECTOR_PATIENCE)
        if now >= self._give_up_at:
            self._elector.kill()
        elif self._elector.watch(now):
            self._log.say("the elector does not answer: it is killed", level=40)
        if self._elector.pid is not None:
            return
        if over and self._workload.is_gone:
            self._exit = self._final()
        elif self._wants_elector and now >= self._elector.look_at:
            self._start_elector()

    @property
    def _wants_elector(self) -> bool:
        """
        Tell whether an elector that is gone has to be started again.
        """
        leads = self._workload.term is not None
        return self._status is None and (leads or not self._quits)

    def _final(self) -> int:
        if self._status in _FATAL:
            return self._status
        code = self._workload.code or 0
        return 0 if code in self._config["success_exit_codes"] else code


def _uuid4() -> str:
    """
    Return what ``uuid.uuid4()`` would.
    """
    bits = int.from_bytes(os.urandom(16)) & ~(0xF << 76 | 0x3 << 62)
    text = f"{bits | 4 << 76 | 2 << 62:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
