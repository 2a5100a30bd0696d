"""
The workload under the guard: one term at a time, on one tree of processes.

It is started by a grant, stopped when the grant ends whatever anybody says (S2, S9),
and gone only when every process of it is reaped (S5). While there is no term, the
standby command may have the tree; it has to be gone before a term begins (S15).
"""

from __future__ import annotations

import os
import signal

from k8s_leader.guard.descent import state
from k8s_leader.guard.environ import workload_environ
from k8s_leader.guard.term import NEVER, Refusal, Run, Term, Times
from k8s_leader.guard.watchdog import DeadMan, WallClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from k8s_leader.guard.cgroup import Cgroup
    from k8s_leader.guard.log import Log
    from k8s_leader.guard.tree import Tree

__all__ = ["Workload"]

_PULSE = 0.5
"""The clocks are looked at least this often while a term runs: well below δ."""

_KILL_PULSE = 0.01
_CRASHES = 5
_QUICK = 10.0
_LONGEST_PAUSE = 10.0
_COURTESY = 0.1
"""An orderly stop waits no longer than this (seconds) for the elector's word."""


class Workload:
    """
    What runs during a term, and what runs between terms.

    Args:
        config: the guard's.
        environ: what the workload inherits, before it is cleaned.
        tree: where it runs.
        now: boot-time seconds.
        tell: sends the elector a message.
        log: of the guard.
        cgroup: that the guard and the tree live in, if there is one.

    Attributes:
        term: the one that runs, or that waits for the standby command's end.
        code: how the workload ended last.
        closing: no term is begun any more.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        environ: Mapping[str, str],
        tree: Tree,
        now: Callable[[], float],
        tell: Callable[..., None],
        log: Log,
        cgroup: Cgroup | None = None,
    ) -> None:
        self.term: Term | None = None
        self.code: int | None = None
        self.closing = False
        self._config = config
        self._timing: dict[str, float] = config["timing"]
        self._kill_time = self._timing["kill_time"]
        self._environ = workload_environ(environ)
        self._tree = tree
        self._tell = tell
        self._log = log
        self._cgroup = cgroup
        self._courtesy = min(config.get("stop_courtesy", 0.0), _COURTESY)
        self._standby: list[str] = config.get("standby_command") or []
        self._run: Run | None = None  # what has the tree now
        self._start_at = 0.0  # nothing is started before
        self._asked: tuple[float, str, float] | None = None  # stop then: why, SIGKILL
        self._dead_man = DeadMan()
        self._wall = WallClock(now, tolerance=self._timing["safety_margin"])
        self._crashes = 0

    @property
    def is_gone(self) -> bool:
        """
        Tell whether nothing runs, of a term or between terms.
        """
        return self.term is None and self._run is None and self._tree.is_empty()

    def next_look(self, now: float) -> float:
        """
        Return when :meth:`enforce` has to be called at the latest.
        """
        term, run = self.term, self._run
        if run is not None and run.killed_at < NEVER:  # what does not die is D state
            return now + _KILL_PULSE
        runs = [each for each in (term, run) if each is not None]
        due = [each.next_deadline(kill_time=self._kill_time) for each in runs]
        if term is not None:
            due += [now + _PULSE, self._asked[0] if self._asked else NEVER]
        if run is None and (term is not None or self._wants_standby):
            due.append(self._start_at)
        return max(min(due, default=NEVER), now + 0.001)

    @property
    def _wants_standby(self) -> bool:
        return bool(self._standby) and not self.closing

    # -- what the elector says ---------------------------------------------------

    def hear_start(self, message: dict[str, Any], now: float) -> None:
        """
        Begin a term.

        Raises:
            Refusal: something of an earlier start lives, or the grant is not valid, or
                it was asked for before the machine seems to have moved (S1).
        """
        on_standby = self._run is not None and self._run is not self.term
        if self.term is not None or not (on_standby or self._tree.is_empty()):
            raise Refusal("the tree of an earlier start is not gone")
        if self.closing:
            raise Refusal("this guard is stopping")
        term = Term(message, timing=self._timing, now=now)
        self._doubt()
        if self._is_doubtful(term):
            raise Refusal("the wall clock jumped after it was sent")
        self.term, self._log.fields["term"] = term, term.token
        self._wall.believe()
        self._crashes, self._start_at = 0, now
        if self._run is None:
            self._start(self.term, now)
        else:
            self._stop(self._run, "a term begins", kill_at=NEVER, now=now)

    def hear_extend(self, message: dict[str, Any], now: float) -> None:
        """
        Move the grant of the running term.

        Raises:
            Refusal: it is for another term, came too late, or is not valid.
        """
        term = self.term
        if term is None or message.get("token") != term.token:
            raise Refusal("it is for another term")
        times = Times.read(message, timing=self._timing, now=now)
        if times.sent < term.times.sent:
            raise Refusal("it is older than the one before")
        self._doubt()  # before it is believed: it may be older than a jump
        was_doubtful = self._is_doubtful(term)
        term.times = times
        if not self._is_doubtful(term):
            self._wall.believe()
            if was_doubtful and self._run is term:
                self._tree.thaw()
                self._log.say("the lease is confirmed: the workload goes on")
        self._tell("ack", token=term.token, until=times.until, now=now)

    def hear_stop(self, message: dict[str, Any], now: float) -> None:
        """
        Stop the running term; it may only bring its end forward.

        Raises:
            Refusal: it is for another term.
        """
        if self.term is None:
            return
        if message.get("token") != self.term.token:
            raise Refusal("it is for another term")
        budget = message.get("budget", 0.0)
        if not isinstance(budget, int | float) or not budget >= 0:
            budget = 0.0
        self.stop(str(message.get("why", "stop")), budget=budget, now=now)

    # -- deadlines ---------------------------------------------------------------

    def stop(self, why: str, *, budget: float, now: float) -> None:
        """
        Have everything stop: told now, killed ``budget`` seconds later.
        """
        self._asked = None
        if self.term is not None and self._is_doubtful(self.term):
            budget = 0.0  # it is frozen: to tell it would let it write
        for run in (self._run, self.term):
            if run is not None:
                self._stop(run, why, kill_at=now + budget, now=now)

    def ask_to_stop(self, why: str, *, budget: float, now: float) -> None:
        """
        Have everything stop, after the elector had a moment to lead traffic elsewhere.

        Its own ``stop`` ends that moment; so does ``stop_courtesy`` of the settings,
        which is 0 where there is nothing to do.
        """
        if self.term is None or not self._courtesy:
            self.stop(why, budget=budget, now=now)
        else:
            self._asked = (now + self._courtesy, why, now + budget)

    def forward(self, number: int) -> None:
        """
        Hand a signal on to the command.
        """
        self._tree.signal(number)

    def close(self) -> None:
        """
        Begin nothing any more.
        """
        self.closing = True

    def enforce(self, now: float) -> None:
        """
        Hold every deadline, whatever was heard (S2, S9).
        """
        term, run = self.term, self._run
        self._doubt(again=True)  # in each turn: one may have been about to fork
        if term is not None:
            if self._asked is not None and now >= self._asked[0]:
                _, why, kill_at = self._asked
                self.stop(why, budget=max(0.0, kill_at - now), now=now)
            if now >= term.times.stop_at:
                self.stop("the grant ends", budget=self._kill_time, now=now)
        if run is not None and now >= run.hard_deadline(kill_time=self._kill_time):
            self._kill(run, now)
        if term is not None:
            due = term.hard_deadline(kill_time=self._kill_time)
            self._dead_man.hold(kill_at=due, until=term.times.until, now=now)

    def _stop(self, run: Run, why: str, *, kill_at: float, now: float) -> None:
        if run is not self.term:  # the standby command has nothing to finish
            kill_at = min(kill_at, now + self._kill_time)
        is_new = run.stop(why, kill_at=kill_at)
        if is_new and run is self._run and kill_at > now:
            self._tree.signal(self._config["stop_signal"])
            self._tree.signal(signal.SIGCONT)
            left = f"SIGKILL in {kill_at - now:.2f} s"
            self._log.say(f"{run.what} stopping ({why}): {left}")

    def _kill(self, run: Run, now: float) -> None:
        run.stop("deadline", kill_at=now)
        self._kill_tree(run, now)

    def _kill_tree(self, run: Run, now: float) -> None:
        is_new = run.killed_at == NEVER
        run.killed_at = min(run.killed_at, now)
        is_ours = self._tree.kill()
        if is_new:  # said after the deed: a disk may be slow to take it
            why = run.stopping or "its command ended, this is what it left"
            self._log.say(f"{run.what} killed ({why})")
        if now >= run.killed_at + self._kill_time:
            self._report_stuck(run)
            if not is_ours and self._cgroup is not None:
                self._cgroup.kill()  # another user's processes, and this one
        if os.getpid() == 1 and now >= run.times.until:
            os._exit(137)  # the kernel kills all that is left of the namespace

    def _report_stuck(self, run: Run) -> None:
        if run.stuck or not (pids := self._tree.members()):
            return
        run.stuck = True
        found = ", ".join(f"{pid} ({state(pid)})" for pid in pids)
        if isinstance(run, Term):
            self._tell("stuck", token=run.token, pids=pids)
        self._log.say(f"SIGKILL does not end {found}: no release", level=40)

    # -- the clock on the wall ---------------------------------------------------

    def _is_doubtful(self, term: Term) -> bool:
        """
        Tell whether its grant was sent before the machine seems to have moved (S1).
        """
        return term.killed_at == NEVER and term.times.sent <= self._wall.jumped_at

    def _doubt(self, *, again: bool = False) -> None:
        """
        Freeze the workload when the wall clock has jumped; look also on standby (S1).
        """
        jump, term = self._wall.look(), self.term
        if term is None or not self._is_doubtful(term):
            return
        if self._run is term and (jump or again):
            self._tree.freeze()
        if jump:  # said after the deed: a disk may be slow to take it
            self._tell("doubt", token=term.token)
            text = "the workload is frozen until the lease is confirmed"
            self._log.say(f"the wall clock jumped by {jump:+.1f} s: {text}", level=30)

    # -- starts and ends ---------------------------------------------------------

    def _start(self, run: Run, now: float) -> None:
        """
        Give the tree to a term, or to the standby command.
        """
        self._run, run.started_at = run, now
        command, told = self._standby, {"LEADER_IDENTITY": self._log.identity}
        if isinstance(run, Term):
            command, told = self._config["command"], run.environ
        environ = self._environ | told
        try:
            pid = self._tree.start(command, environ, stop_at=run.times.stop_at)
        except OSError as exc:
            self._ended(run, 126)  # as a shell that cannot fork
            self._log.say(f"the {run.what} cannot be started: {exc}", level=40)
            return
        if isinstance(run, Term):
            self._tell("started", token=run.token, pid=pid)
        self._log.say(f"{run.what} started: pid={pid}")

    def reaped(self, pid: int, status: int) -> None:
        """
        Take note of a child that the guard reaped.
        """
        code = self._tree.reaped(pid, status)
        if code is not None and self._run is not None:
            self._ended(self._run, code)
            self._log.say(f"{self._run.what} ended with {code}")

    def _ended(self, run: Run, code: int) -> None:
        if run is self.term:
            self.code = code

    def settle(self, now: float) -> None:
        """
        Draw the conclusions when the command has ended, and start what is due.
        """
        if self._tree.leader is not None:
            return
        if self._run is not None:
            if not self._tree.is_empty():  # what the command left behind
                self._kill_tree(self._run, now)
                return
            self._gone(self._run, now)
        self._go_on(now)

    def _gone(self, run: Run, now: float) -> None:
        self._run, run.killed_at = None, NEVER
        if not isinstance(run, Term):
            self._start_at = now + self._pause_after(run, now)
        elif not self._restarts(run, now):
            self._end_term(run, now)

    def _go_on(self, now: float) -> None:
        """
        Start what is to run next, if its time has come.
        """
        term = self.term
        if term is not None and term.stopping:
            self._end_term(term, now)  # it waited for the tree, or for its next start
        elif term is not None:
            if now >= self._start_at and not self._is_doubtful(term):
                self._start(term, now)
        elif self._wants_standby and now >= self._start_at:
            self._start(Run(), now)

    def _end_term(self, term: Term, now: float) -> None:
        loops = self._crashes >= _CRASHES
        self.term = self._asked = None
        self._start_at = now
        self._dead_man.release()
        token, code = term.token, self.code
        self._tell("exited", token=token, code=code)
        self._tell("gone", token=token, code=code, now=now, crash_loop=loops)
        self._log.say("workload gone: every process of it is reaped")
        self._log.fields.pop("term", None)

    def _restarts(self, run: Run, now: float) -> bool:
        if self._config["on_exit"] != "restart" or run.stopping or self.closing:
            return False
        pause = self._pause_after(run, now)
        if self._crashes >= _CRASHES:
            self._log.say("the workload keeps crashing: leadership is given up")
            return False
        self._start_at = now + pause
        self._log.say(f"workload ended: started again in {pause:g} s")
        return True

    def _pause_after(self, run: Run, now: float) -> float:
        """
        Return the back-off before the next start; longer when crashes follow closely.
        """
        if run.stopping:
            return 0.0
        self._crashes = self._crashes + 1 if now - run.started_at < _QUICK else 1
        # A standby command may crash for days: the power must not overflow.
        return min(_LONGEST_PAUSE, 0.5 * 2.0 ** min(self._crashes, 10))
