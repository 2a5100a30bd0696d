"""
The election of one candidate: a pure state machine, ``handle(event, now)``.

The table at the end is the whole behaviour: what a state does not list is a bug of
the caller, raises, and changes nothing. Nothing here reads a clock, waits or talks to
anybody; ``now`` comes in, actions go out. The rules are those of the design's §4:

* S1, S6: a grant counts from when the request was *sent*; a late reply is no success.
* S2: at ``stop_at`` the term is given up, whatever the network promises.
* S3: another's record means SIGKILL now, without grace.
* S4: a voluntary stop renews until the tree is gone, then releases.
* S5: nothing is released before ``WorkloadGone``.
* S15: a candidate asks for the lease only in ``standby``, reached only tree-less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from k8s_leader.election import events as ev
from k8s_leader.election.events import Action, Event, State
from k8s_leader.election.grant import Grant
from k8s_leader.election.observation import LossReason
from k8s_leader.election.timing import Timing
from k8s_leader.errors import IllegalEventError

__all__ = ["Election"]

_NEVER = float("inf")
_STOP_PATIENCE = 0.5
"""How long a candidate that is told to stop waits for an acquisition in flight."""

Actions = tuple[Action, ...]


class Election:
    """
    One candidate's way from standby through terms to its end.

    Args:
        timing: durations to campaign with; a won term brings its own.

    Guarantees: ``Renew`` and ``Acquire`` never overlap; ``Release`` comes only after
    ``WorkloadGone``; after an event that raises, the state is what it was.
    """

    def __init__(self, *, timing: Timing) -> None:
        self.timing = timing
        self.state = State.IDLE
        self.grant: Grant | None = None
        self.finishing = False
        self._busy = False  # a request is under way
        self._next_try = 0.0  # when to ask the store again, whatever for
        self._not_before = 0.0  # a candidate that stepped down stays out until then
        self._woken = False  # something changed while an attempt was under way
        self._kill_at = _NEVER  # end of the voluntary budget
        self._killed = False
        self._lost_for: LossReason | None = None
        self._backoff = 0.0

    def handle(self, event: Event, now: float) -> Actions:
        """
        Take in one event and return what is to be done, in order.

        Args:
            event: what happened.
            now: boot-time seconds, read after the event was received.

        Raises:
            IllegalEventError: the state does not know this event; nothing changed.
        """
        handler = _TABLE.get((self.state, type(event)))
        if handler is None:
            raise IllegalEventError(f"{type(event).__name__} in state {self.state}")
        return handler(self, event, now)

    # -- standby and acquiring ---------------------------------------------------

    def _start(self, _: ev.Start, now: float) -> Actions:
        return self._attempt(now)

    def _resume(self, event: ev.Resume, now: float) -> Actions:
        self.timing = event.timing
        self.grant = event.grant
        self.state = State.LEADING
        self._next_try = now
        return self._lead(now)

    def _wake(self, _: ev.Wake, now: float) -> Actions:
        self._next_try = min(self._next_try, max(now, self._not_before))
        return self._wait(now)

    def _wait(self, now: float) -> Actions:
        if now >= self._next_try:
            return self._attempt(now)
        return (ev.WakeAt(at=self._next_try),)

    def _attempt(self, now: float) -> Actions:
        self.state = State.ACQUIRING
        self._woken = False
        return (ev.Acquire(deadline=now + self.timing.request_timeout),)

    def _wake_later(self, _: ev.Wake, now: float) -> Actions:
        self._woken = True
        return ()

    def _won(self, event: ev.Won, now: float) -> Actions:
        self.timing = event.timing
        self.grant = grant = event.timing.grant(token=event.token, sent=event.sent)
        if self.finishing or now >= grant.stop_at:  # S6: late is not won
            return self._release(now)
        self.state = State.LEADING
        self._next_try = event.sent + self.timing.renew_every
        return (ev.StartWorkload(grant=grant), *self._lead(now))

    def _not_won(self, event: ev.NotWon, now: float) -> Actions:
        at = _NEVER if event.retry_at is None else event.retry_at
        return self._back_to_standby(
            now if self._woken else min(at, now + self.timing.acquire_every), now
        )

    def _attempt_failed(self, event: ev.AttemptFailed, now: float) -> Actions:
        # However long the store asks us to wait, it is asked as often as when held.
        next_try = min(event.retry_at, now + self.timing.acquire_every)
        return self._back_to_standby(next_try, now)

    def _back_to_standby(self, next_try: float, now: float) -> Actions:
        if self.finishing:
            return self._finish()
        self.state = State.STANDBY
        self._next_try = max(next_try, self._not_before)
        return self._wait(now)

    def _stop_acquiring(self, _: ev.Stop, now: float) -> Actions:
        if not self.finishing:
            self.finishing = True
            self._next_try = now + _STOP_PATIENCE
        return (ev.WakeAt(at=self._next_try),)

    def _tick_acquiring(self, _: ev.Tick, now: float) -> Actions:
        if self.finishing and now >= self._next_try:
            return (ev.Cancel(), *self._finish())
        return ()

    def _stop_standby(self, _: ev.Stop, now: float) -> Actions:
        return self._finish()

    # -- leading and stopping ----------------------------------------------------

    def _tick(self, _: ev.Tick, now: float) -> Actions:
        return self._wait(now) if self.state is State.STANDBY else self._lead(now)

    def _lead(self, now: float) -> Actions:
        """
        Do what is due while the lease is held, and say when to look again.
        """
        grant = self._held()
        if now >= grant.stop_at:  # S2: counted from stop_at, however late we are
            budget = max(0.0, grant.stop_at + self.timing.kill_time - now)
            return self._lose(LossReason.DEADLINE, budget=budget)
        if self.state is State.STOPPING and now >= self._kill_at:
            stuck = now >= self._kill_at + self.timing.kill_time
            if stuck:  # S4: it cannot be made to go: renew no more, never release
                return self._lose(LossReason.DEADLINE, budget=0.0)
            return (*self._kill("stop timeout"), *self._renew_if_due(now))
        return self._renew_if_due(now)

    def _renew_if_due(self, now: float) -> Actions:
        grant = self._held()
        due: Actions = ()
        if not self._busy and now >= self._next_try:
            self._busy = True
            deadline = min(now + self.timing.request_timeout, grant.stop_at)
            due = (ev.Renew(deadline=deadline),)
        wakes = [grant.stop_at]
        if not self._busy:
            wakes.append(self._next_try)
        if self.state is State.STOPPING:
            kill_at = self._kill_at
            wakes.append(kill_at + self.timing.kill_time if self._killed else kill_at)
        return (*due, ev.WakeAt(at=min(wakes)))

    def _renewed(self, event: ev.Renewed, now: float) -> Actions:
        grant = self._held()
        self._busy = False
        if now >= grant.stop_at:  # S6: the reply came, but too late to count
            return self._lead(now)
        self.grant = grant = self.timing.grant(token=grant.token, sent=event.sent)
        self._next_try = event.sent + self.timing.renew_every
        return (ev.ExtendGrant(grant=grant), *self._lead(now))

    def _renew_failed(self, event: ev.RenewFailed, now: float) -> Actions:
        self._busy = False
        # However long the store asks us to wait, one try belongs to the time that is
        # left; when that is tried too, the usual pace, not a storm.
        last_call = self._held().stop_at - self.timing.request_timeout
        usual = now + self.timing.retry_period
        self._next_try = min(event.retry_at, max(last_call, usual))
        return self._lead(now)

    def _doubt(self, _: ev.Doubt, now: float) -> Actions:
        # What was sent before the jump proves nothing about the time after it.
        dropped = self._drop_request()
        self._next_try = now
        return (*dropped, *self._lead(now))

    def _shortened(self, event: ev.LeaseShortened, now: float) -> Actions:
        grant = self._held()
        until = min(
            grant.until, grant.sent + event.duration - self.timing.safety_margin
        )
        stop_at = min(grant.stop_at, until - self.timing.kill_time)
        self.grant = grant = replace(grant, until=until, stop_at=stop_at)
        if now >= until:
            return self._lose(LossReason.EDITED, budget=0.0)
        # A renewal under way may have landed before the edit: it proves nothing now.
        dropped = self._drop_request()
        self._next_try = now  # write our own duration back
        return (ev.ExtendGrant(grant=grant), *dropped, *self._lead(now))

    def _step_down(self, event: ev.StepDown, now: float) -> Actions:
        self._backoff = event.backoff
        return self._stop_workload("stepping down", now)

    def _stop(self, _: ev.Stop, now: float) -> Actions:
        self.finishing = True
        return self._stop_workload("stopping", now)

    def _stop_workload(self, why: str, now: float) -> Actions:
        self.state = State.STOPPING
        self._kill_at = now + self.timing.stop_timeout
        self._killed = False
        due = self._lead(now)
        if (
            self.state is State.LOSING
        ):  # S2: the deadline was first, and its budget counts
            return due
        stop = ev.StopWorkload(why=why, budget=self.timing.stop_timeout)
        return (stop, *due)

    def _stop_again(self, _: ev.Stop, now: float) -> Actions:
        if not self.finishing:  # it was a step-down; now it is for good
            self.finishing = True
            return ()
        self._kill_at = min(self._kill_at, now)
        return self._lead(now)

    def _kill(self, why: str) -> Actions:
        if self._killed:
            return ()
        self._killed = True
        return (ev.StopWorkload(why=why, budget=0.0),)

    # -- the end of a term -------------------------------------------------------

    def _lease_lost(self, event: ev.LeaseLost, now: float) -> Actions:
        return self._lose(event.reason, budget=0.0)  # S3: no grace

    def _lose(self, reason: LossReason, *, budget: float) -> Actions:
        dropped = self._drop_request()
        self.state = State.LOSING
        self._lost_for = reason
        return (ev.StopWorkload(why=reason.value, budget=budget), *dropped)

    def _lose_harder(self, event: ev.LeaseLost, now: float) -> Actions:
        if self._lost_for is not LossReason.DEADLINE:
            return ()
        self._lost_for = event.reason
        return (ev.StopWorkload(why=event.reason.value, budget=0.0),)

    def _stuck(self, _: ev.WorkloadStuck, now: float) -> Actions:
        dropped = self._drop_request()
        self.state = State.LOSING
        self._lost_for = LossReason.DEADLINE
        return dropped

    def _gone(self, event: ev.WorkloadGone, now: float) -> Actions:
        if self.state is State.LEADING:  # it ended by itself
            self._backoff = event.backoff
        return (*self._drop_request(), *self._release(now))

    def _gone_after_loss(self, event: ev.WorkloadGone, now: float) -> Actions:
        # The record may still be ours, then a candidate that leaves gives it up.
        if self.finishing and self._lost_for is LossReason.DEADLINE:
            return self._release(now)
        return self._after_term(now)

    def _drop_request(self) -> Actions:
        was_busy, self._busy = self._busy, False
        return (ev.Cancel(),) if was_busy else ()

    def _release(self, now: float) -> Actions:
        self.state = State.RELEASING
        self._busy = True
        return (ev.Release(deadline=now + self.timing.request_timeout),)

    def _released(self, _: ev.Released, now: float) -> Actions:
        self._busy = False
        return self._after_term(now)

    def _release_failed(self, event: ev.ReleaseFailed, now: float) -> Actions:
        self._busy = False
        if event.retry_at >= self._held().until:  # it expires by itself
            return self._after_term(now)
        self._next_try = event.retry_at
        return (ev.WakeAt(at=event.retry_at),)

    def _tick_releasing(self, _: ev.Tick, now: float) -> Actions:
        if self._busy:
            return ()
        return self._release(now) if now >= self._next_try else ()

    def _after_term(self, now: float) -> Actions:
        self.grant = None
        self._lost_for = None
        self._kill_at = _NEVER
        self._not_before = now + self._backoff
        self._backoff = 0.0
        self._woken = False
        return self._back_to_standby(now, now)

    def _stop_later(self, _: ev.Stop, now: float) -> Actions:
        self.finishing = True
        return ()

    def _finish(self) -> Actions:
        self.state = State.STOPPED
        return (ev.Finish(),)

    def _ignore(self, _: Event, now: float) -> Actions:
        return ()

    def _held(self) -> Grant:
        if self.grant is None:
            raise IllegalEventError(f"no grant in state {self.state}")
        return self.grant


_Handler = Callable[[Election, Event, float], Actions]

_S = State
_E = Election
_ROWS: dict[State, dict[type, Callable[..., Actions]]] = {
    _S.IDLE: {
        ev.Start: _E._start,
        ev.Resume: _E._resume,
        ev.Stop: _E._stop_standby,
        ev.Wake: _E._ignore,
        ev.LeaseLost: _E._ignore,
    },
    _S.STANDBY: {
        ev.Wake: _E._wake,
        ev.Tick: _E._tick,
        ev.Stop: _E._stop_standby,
        ev.StepDown: _E._ignore,
        ev.LeaseLost: _E._ignore,
        ev.LeaseShortened: _E._ignore,
        ev.Doubt: _E._ignore,
    },
    _S.ACQUIRING: {
        ev.Won: _E._won,
        ev.NotWon: _E._not_won,
        ev.AttemptFailed: _E._attempt_failed,
        ev.Wake: _E._wake_later,
        ev.Tick: _E._tick_acquiring,
        ev.Stop: _E._stop_acquiring,
        ev.StepDown: _E._ignore,
        ev.LeaseLost: _E._ignore,
        ev.LeaseShortened: _E._ignore,
        ev.Doubt: _E._ignore,
    },
    _S.LEADING: {
        ev.Tick: _E._tick,
        ev.Wake: _E._ignore,
        ev.Renewed: _E._renewed,
        ev.RenewFailed: _E._renew_failed,
        ev.LeaseLost: _E._lease_lost,
        ev.LeaseShortened: _E._shortened,
        ev.StepDown: _E._step_down,
        ev.Stop: _E._stop,
        ev.WorkloadGone: _E._gone,
        ev.WorkloadStuck: _E._stuck,
        ev.Doubt: _E._doubt,
    },
    _S.STOPPING: {
        ev.Tick: _E._tick,
        ev.Wake: _E._ignore,
        ev.Renewed: _E._renewed,
        ev.RenewFailed: _E._renew_failed,
        ev.LeaseLost: _E._lease_lost,
        ev.LeaseShortened: _E._shortened,
        ev.StepDown: _E._ignore,
        ev.Stop: _E._stop_again,
        ev.WorkloadGone: _E._gone,
        ev.WorkloadStuck: _E._stuck,
        ev.Doubt: _E._doubt,
    },
    _S.LOSING: {
        ev.Tick: _E._ignore,
        ev.Wake: _E._ignore,
        ev.LeaseLost: _E._lose_harder,
        ev.LeaseShortened: _E._ignore,
        ev.StepDown: _E._ignore,
        ev.Stop: _E._stop_later,
        ev.WorkloadGone: _E._gone_after_loss,
        ev.WorkloadStuck: _E._ignore,
        ev.Doubt: _E._ignore,
    },
    _S.RELEASING: {
        ev.Tick: _E._tick_releasing,
        ev.Wake: _E._ignore,
        ev.Released: _E._released,
        ev.ReleaseFailed: _E._release_failed,
        ev.LeaseLost: _E._ignore,
        ev.LeaseShortened: _E._ignore,
        ev.StepDown: _E._ignore,
        ev.Stop: _E._stop_later,
        ev.WorkloadStuck: _E._ignore,
        ev.Doubt: _E._ignore,
    },
    _S.STOPPED: dict.fromkeys(
        (
            ev.Tick,
            ev.Wake,
            ev.Doubt,
            ev.LeaseLost,
            ev.LeaseShortened,
            ev.StepDown,
            ev.Stop,
            ev.WorkloadStuck,
        ),
        _E._ignore,
    ),
}

_TABLE: dict[tuple[State, type], _Handler] = {
    (state, kind): handler
    for state, row in _ROWS.items()
    for kind, handler in row.items()
}
