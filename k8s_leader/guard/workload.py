"""
The workload under the guard: one term at a time, on one tree of processes.

It is started by a grant, stopped when the grant ends whatever anybody says (S2, S9),
and gone only when every process of it is reaped (S5). While there is no term, the
standby command may run on the same tree; it has to be gone before a term begins (S15).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from k8s_leader.guard.descent import below, state
from k8s_leader.guard.environ import workload_environ
from k8s_leader.guard.log import Log
from k8s_leader.guard.term import Refusal, Term, Times
from k8s_leader.guard.tree import Tree
from k8s_leader.guard.watchdog import DeadMan, WallClock

__all__ = ["Tell", "Workload"]

_NEVER = float("inf")
_PULSE = 0.25
"""The clocks are looked at least this often while a term runs: well below δ."""

_KILL_PULSE = 0.01
_CRASHES = 5
_QUICK = 10.0
_LONGEST_PAUSE = 10.0
_COURTESY = 0.1
"""An orderly stop waits no longer than this (seconds) for the elector's word."""


class Tell(Protocol):
    """
    Sends the elector a message.
    """

    def __call__(self, kind: str, **fields: object) -> None:
        """
        Send it; who does not listen is not waited for.
        """


class Workload:
    """
    What runs during a term, and what runs between terms.

    Args:
        config: the guard's.
        environ: what the workload inherits, before it is cleaned.
        tree: where it runs.
        now: boot-time seconds.
        spare: returns the children of the guard that are not the workload's.
        tell: to the elector.
        log: of the guard.

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
        spare: Callable[[], tuple[int, ...]],
        tell: Tell,
        log: Log,
    ) -> None:
        self.term: Term | None = None
        self.code: int | None = None
        self.closing = False
        self._config = config
        self._timing: dict[str, float] = config["timing"]
        self._environ = workload_environ(environ)
        self._tree = tree
        self._now = now
        self._spare = spare
        self._tell = tell
        self._log = log
        self._courtesy = min(config.get("stop_courtesy", 0.0), _COURTESY)
        self._asked: tuple[str, float] | None = None  # to stop: why, and SIGKILL when
        self._stop_due = _NEVER  # the elector had its say
        self._dead_man = DeadMan()
        self._wall = WallClock(now, tolerance=self._timing["safety_margin"])
        self._doubted_at = _NEVER  # the wall clock jumped: stopped until a renewal
        self._standby: list[str] = config.get("standby_command") or []
        self._on_standby = False  # what the tree runs is the standby command
        self._start_at = 0.0 if self._standby else _NEVER  # the tree's next start
        self._kill_standby_at = _NEVER
        self._crashes = 0

    @property
    def is_gone(self) -> bool:
        """
        Tell whether nothing runs, of a term or between terms.
        """
        return self.term is None and self._tree.is_empty(spare=self._spare())

    def next_look(self, now: float) -> float:
        """
        Return when :meth:`enforce` has to be called at the latest.
        """
        soonest = self._start_at
        if self._on_standby:
            killing = now >= self._kill_standby_at
            soonest = min(
                soonest, now + _KILL_PULSE if killing else self._kill_standby_at
            )
        if self.term is not None:
            soonest = min(soonest, self._look_at(self.term, now))
        return soonest

    def _look_at(self, term: Term, now: float) -> float:
        if term.killing:  # its deadline has passed: what does not die is D state
            return now + _KILL_PULSE
        due = term.hard_deadline(kill_time=self._timing["kill_time"])
        soonest = due if term.stopping else min(due, term.times.stop_at, self._stop_due)
        return min(now + _PULSE, max(soonest, now + 0.001))

    # -- what the elector says ---------------------------------------------------

    def hear_start(self, message: dict[str, Any], now: float) -> None:
        """
        Begin a term.

        Raises:
            Refusal: something of an earlier start lives, or the grant is not valid.
        """
        empty = self._tree.is_empty(spare=self._spare())
        if self.term is not None or not (empty or self._on_standby):
            raise Refusal("the tree of an earlier start is not gone")
        if self.closing:
            raise Refusal("this guard is stopping")
        self.term = Term.read(message, timing=self._timing, now=now)
        self._wall.believe()
        self._crashes = 0
        self._start_at = _NEVER
        if self._on_standby:
            self._stop_standby("a term begins", now)
        else:
            self._spawn(self.term)

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
        term.times = times
        if times.sent > self._doubted_at:
            self._trust_again(term)
        elif self._doubted_at == _NEVER:
            self._wall.believe()
        self._tell("ack", token=term.token, until=times.until, now=now)

    def hear_stop(self, message: dict[str, Any], now: float) -> None:
        """
        Stop the running term; it may only bring its end forward.

        Raises:
            Refusal: it is for another term.
        """
        term = self.term
        if term is None:
            return
        if message.get("token") != term.token:
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
        if self.term is None:
            if self._on_standby:
                self._stop_standby(why, now, budget=budget)
            self._start_at = _NEVER
            return
        if self._doubted_at < _NEVER:
            budget = 0.0  # it is frozen: to tell it would let it write
        self._stop_term(self.term, why, kill_at=now + budget, now=now)

    def ask_to_stop(self, why: str, *, budget: float, now: float) -> None:
        """
        Have everything stop, after the elector had a moment to lead traffic elsewhere.

        Its own ``stop`` ends that moment; so does ``stop_courtesy`` of the settings,
        which is 0 where there is nothing to do.
        """
        if self.term is None or not self._courtesy:
            self.stop(why, budget=budget, now=now)
        else:
            self._asked, self._stop_due = (why, now + budget), now + self._courtesy

    def close(self) -> None:
        """
        Begin nothing any more.
        """
        self.closing = True
        self._start_at = _NEVER if self.term is None else self._start_at

    def enforce(self, now: float) -> None:
        """
        Hold every deadline, whatever was heard (S2, S9).
        """
        if self.term is not None:
            self._enforce_term(self.term, now)
        if self._on_standby and now >= self._kill_standby_at:
            self._tree.kill(spare=self._spare())

    def _enforce_term(self, term: Term, now: float) -> None:
        kill_time = self._timing["kill_time"]
        self._doubt(term, now)
        if self._asked is not None and now >= self._stop_due:
            why, kill_at = self._asked
            self._stop_due = _NEVER
            self.stop(why, budget=max(0.0, kill_at - now), now=now)
        if now >= term.times.stop_at:
            budget = 0.0 if self._doubted_at < _NEVER else kill_time
            self._stop_term(term, "the grant ends", kill_at=now + budget, now=now)
        due = term.hard_deadline(kill_time=kill_time)
        if now >= due:
            self._kill(term, now)
        elif now >= self._start_at and not term.stopping:
            self._spawn(term)
        self._dead_man.hold(kill_at=due, until=term.times.until, now=now)

    def _kill(self, term: Term, now: float) -> None:
        if not term.killing:
            self._log.say(f"workload killed ({term.stopping or 'deadline'})")
        term.stop("deadline", kill_at=now)
        self._start_at = _NEVER
        self._kill_tree(term, now)

    def _kill_tree(self, term: Term, now: float) -> None:
        if not term.killing:
            term.killing, term.killing_since = True, now
        self._tree.kill(spare=self._spare())
        if now >= term.killing_since + self._timing["kill_time"]:
            self._report_stuck(term)
        if os.getpid() == 1 and now >= term.times.until:
            os._exit(137)  # the kernel kills all that is left of the namespace

    def _report_stuck(self, term: Term) -> None:
        if term.stuck:
            return
        term.stuck = True
        pids = below(os.getpid(), spare=self._spare())
        found = ", ".join(f"{pid} ({state(pid)})" for pid in pids)
        self._log.say(f"SIGKILL does not end {found}: no release", level=40)
        self._tell("stuck", token=term.token, pids=pids)

    def _stop_term(self, term: Term, why: str, *, kill_at: float, now: float) -> None:
        self._start_at = _NEVER
        if term.stop(why, kill_at=kill_at) and kill_at > now and not self._on_standby:
            self._log.say(
                f"workload stopping ({why}): SIGKILL in {kill_at - now:.2f} s"
            )
            self._tree.signal(self._config["stop_signal"])
            self._tree.signal(signal.SIGCONT)

    def _doubt(self, term: Term, now: float) -> None:
        """
        Freeze the workload when the machine seems to have slept or moved (S1).
        """
        if self._doubted_at < _NEVER or term.killing or self._on_standby:
            return
        jump = self._wall.jump()
        if jump:
            self._doubted_at = now
            self._tree.freeze(spare=self._spare())
            self._log.say(
                f"the wall clock jumped by {jump:+.1f} s: the workload is frozen until "
                "the lease is confirmed",
                level=30,
            )
            self._tell("doubt", token=term.token)

    def _trust_again(self, term: Term) -> None:
        self._doubted_at = _NEVER
        self._wall.believe()
        if not term.killing:
            self._tree.thaw(spare=self._spare())
            self._log.say("the lease is confirmed: the workload goes on")

    # -- starts and ends ---------------------------------------------------------

    def _spawn(self, term: Term) -> None:
        self._start_at = _NEVER
        try:
            pid = self._tree.start(
                self._config["command"],
                self._environ | term.environ,
                stop_at=term.times.stop_at,
                now=self._now,
            )
        except OSError as exc:
            self.code = 126  # as a shell that cannot fork
            self._log.say(f"the workload cannot be started: {exc}", level=40)
            return
        self._tell("started", token=term.token, pid=pid)
        self._log.say(f"workload started: pid={pid} token={term.token}")

    def _spawn_standby(self) -> None:
        self._start_at, self._on_standby = _NEVER, True
        identity = {"LEADER_IDENTITY": self._log.identity}
        try:
            pid = self._tree.start(
                self._standby, self._environ | identity, stop_at=_NEVER, now=self._now
            )
        except OSError as exc:
            self._log.say(f"the standby command cannot be started: {exc}", level=40)
            return
        self._log.say(f"standby command started: pid={pid}")

    def _stop_standby(self, why: str, now: float, budget: float = _NEVER) -> None:
        budget = min(budget, self._timing["kill_time"])
        if self._kill_standby_at == _NEVER:
            self._log.say(f"standby command stopping ({why}): SIGKILL in {budget:g} s")
            self._tree.signal(self._config["stop_signal"])
            self._tree.signal(signal.SIGCONT)
        self._kill_standby_at = min(self._kill_standby_at, now + budget)

    def reaped(self, pid: int, status: int) -> None:
        """
        Take note of a child that the guard reaped.
        """
        if self._tree.reaped(pid, status):
            what = "standby command" if self._on_standby else "workload"
            if not self._on_standby:
                self.code = self._tree.code
            self._log.say(f"{what} ended with {self._tree.code}")

    def settle(self, now: float, *, reap: Callable[[], None]) -> None:
        """
        Draw the conclusions when the command has ended.
        """
        if self._tree.leader is not None:
            return
        if self.term is None and not self._on_standby:
            if now >= self._start_at:
                self._spawn_standby()
            return
        if self._start_at < _NEVER:
            return  # between two starts
        if self._swept(now, reap):
            if self._on_standby:
                self._standby_gone(now)
            elif self.term is not None:  # pragma: no branch  # else it returned above
                self._term_gone(self.term, now)

    def _swept(self, now: float, reap: Callable[[], None]) -> bool:
        """
        Kill what the command left behind; tell whether all is gone.
        """
        if not self._tree.is_empty(spare=self._spare()):
            reap()
        if self._tree.is_empty(spare=self._spare()):
            return True
        if self.term is not None and not self._on_standby:
            self._kill_tree(self.term, now)
        else:
            self._kill_standby_at = now
            self._tree.kill(spare=self._spare())
        reap()
        return self._tree.is_empty(spare=self._spare())

    def _standby_gone(self, now: float) -> None:
        asked, self._kill_standby_at = self._kill_standby_at < _NEVER, _NEVER
        self._on_standby = False
        if self.term is not None and not self.term.stopping:
            self._spawn(self.term)
        elif self.term is None and not self.closing and not asked:
            self._start_at = now + self._pause_after_end(now)

    def _term_gone(self, term: Term, now: float) -> None:
        if self._restarts(term, now):
            return
        loops = self._crashes >= _CRASHES
        self.term = None
        self._doubted_at = self._stop_due = _NEVER
        self._dead_man.release()
        token = term.token
        self._tell("exited", token=token, code=self.code)
        self._tell("gone", token=token, code=self.code, now=now, crash_loop=loops)
        self._log.say("workload gone: every process of it is reaped")
        if self._standby and not self.closing:
            self._start_at = now

    def _restarts(self, term: Term, now: float) -> bool:
        if self._config["on_exit"] != "restart" or term.stopping or self.closing:
            return False
        pause = self._pause_after_end(now)
        if self._crashes >= _CRASHES:
            self._log.say("the workload keeps crashing: leadership is given up")
            return False
        term.killing = False
        self._start_at = now + pause
        self._log.say(f"workload ended: started again in {pause:g} s")
        return True

    def _pause_after_end(self, now: float) -> float:
        quick = now - self._tree.started_at < _QUICK
        self._crashes = self._crashes + 1 if quick else 1
        # A standby command may crash for days: the power must not overflow.
        return min(_LONGEST_PAUSE, 0.5 * 2.0 ** min(self._crashes, 10))
