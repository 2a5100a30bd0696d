"""
The loop of one candidate: actions become lease calls, results become events.

This is the only place where the pure election meets input and output. One request is
under way at a time; each is bounded by its action's deadline and its clock is read
*before* the lease manager is called (S1, S6). A request that was dropped is cancelled
and its outcome is never heard of again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence

from k8s_leader.clock import Clock
from k8s_leader.election import events as ev
from k8s_leader.election.events import Action, Event, State
from k8s_leader.election.machine import Election
from k8s_leader.election.observation import Lost, Unwanted
from k8s_leader.election.timing import Timing
from k8s_leader.errors import LeaseError, LeaseForbiddenError, LeaseUnavailableError
from k8s_leader.leases.port import (
    Change,
    Held,
    LeaseManager,
    Refused,
    Shortened,
    Sighted,
)
from k8s_leader.observers.port import (
    Audience,
    GrantMoved,
    HolderSeen,
    Notice,
    Observer,
    Operation,
    PauseSeen,
    RecordSeen,
    RequestDone,
    StateChanged,
)
from k8s_leader.runner.port import Workload
from k8s_leader.runner.turns import Turns

__all__ = ["ElectionLoop"]

_logger = logging.getLogger(__name__)

_JITTER = 0.02
"""Expiry timers go off up to this much later, never earlier."""


_SOON = 0.002
"""Seconds until observers are told: enough for a request to be on its way."""


class ElectionLoop:
    """
    Runs one candidacy in the current event loop.

    Args:
        manager: of the lease; closed by whoever made it.
        workload: what runs during a term; reports to :meth:`report`.
        clock: boot-time clock.
        timing: called before each acquisition: lease lengths may be computed.
        observers: told what happens, in order.
        step_down_backoff: seconds to stay out after a coordinator's wish.

    Guarantees: see the election core. :meth:`run` returns when the candidacy is
    over, and raises when going on is pointless (a right is missing from the start).
    """

    def __init__(
        self,
        *,
        manager: LeaseManager,
        workload: Workload,
        clock: Clock,
        timing: Callable[[], Timing],
        observers: Sequence[Observer] = (),
        step_down_backoff: float = 2.0,
    ) -> None:
        self._manager = manager
        self._workload = workload
        self._clock = clock
        self._timing = timing
        self._audience = Audience(observers)
        self._backoff = step_down_backoff
        self.election = Election(timing=timing())
        self.held: Held | None = None
        self.last_error: LeaseError | None = None
        self.holder = ""
        self.paused = False
        self._record: RecordSeen | None = None
        self._reason = ""
        self._notices: deque[Notice] = deque()
        self._telling: asyncio.TimerHandle | None = None
        self._events: deque[tuple[Event, str]] = deque()
        self._handling = False
        self._request: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._turns = Turns()
        self._over = asyncio.Event()
        self._ended = False
        self._contacted = False
        self._forbidden_since: float | None = None
        self._fault: BaseException | None = None

    async def run(self, *, first: Event | None = None) -> None:
        """
        Campaign until ``Stop`` was reported and everything is done.

        Args:
            first: the event to begin with; ``Start`` unless a term is resumed.

        Raises:
            LeaseForbiddenError: a right is missing since the beginning.
        """
        watch = asyncio.create_task(self._watch(), name="lease-watch")
        watch.add_done_callback(self._on_task_done)
        try:
            if isinstance(first, ev.Resume):
                self.tell(GrantMoved(grant=first.grant))
            self.report(first or ev.Start())
            await self._over.wait()
        finally:
            self._ended = True
            await _end(watch, self._request)
            if self._timer is not None:
                self._timer.cancel()
            self._turns.end()
            self._tell_all()
        if self._fault is not None:
            raise self._fault

    def report(self, event: Event, *, reason: str = "") -> None:
        """
        Take in an event; call it from the loop's own thread.

        Args:
            event: what happened.
            reason: why, for the log and the observers.

        After the loop's end nothing is listened to: nobody would end a new request.
        """
        if self._ended:
            return
        self._events.append((event, reason))
        if self._handling:
            return  # an action reported while the one before is being carried out
        self._handling = True
        try:
            while self._events:
                event, reason = self._events.popleft()
                self._handle(event, reason)
        except Exception as exc:
            self._fail(exc)
            raise
        finally:
            self._handling = False

    def tell(self, notice: Notice) -> None:
        """
        Let the observers know, in order; call it from the loop's own thread.

        They are told a moment later: what they do with it (a line of log, a count)
        must not come before the request or the start that it is about.
        """
        self._notices.append(notice)
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(_SOON, self._tell_all)

    def _tell_all(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        while self._notices:
            self._audience.tell(self._notices.popleft())

    def _handle(self, event: Event, reason: str) -> None:
        before, reason_before = self.election.state, self._reason
        self._reason = reason or self._reason
        held = self.held
        actions = self.election.handle(event, self._clock.now())
        for action in actions:
            self._perform(action)
        after = self.election.state
        if after is before and not actions:
            self._reason = reason_before  # it changed nothing, so it is no reason
        if after is not before:
            self._tell(before, after, held or self.held)
        if after in (State.STANDBY, State.STOPPED):
            self.held = None

    def _perform(self, action: Action) -> None:
        match action:
            case ev.Acquire(deadline=deadline):
                self._ask(self._acquire(deadline), "acquire")
            case ev.Renew(deadline=deadline):
                self._ask(self._renew(deadline), "renew")
            case ev.Release(deadline=deadline):
                self._ask(self._release(deadline), "release")
            case ev.Cancel():
                self._drop()
            case ev.StartWorkload(grant=grant):
                self._workload.start(grant, self.held or Held(token=grant.token))
                self.tell(GrantMoved(grant=grant))
            case ev.ExtendGrant(grant=grant):
                self._workload.extend(grant)
                self.tell(GrantMoved(grant=grant))
            case ev.StopWorkload(why=why, budget=budget):
                self._reason = self._reason or why
                self._workload.stop(why=why, budget=budget)
            case ev.WakeAt(at=at):
                self._wake_at(at)
            case ev.Finish():  # pragma: no branch  # there is no other action
                self._over.set()

    # -- requests ----------------------------------------------------------------

    def _ask(self, request: Coroutine[None, None, None], name: str) -> None:
        self._drop()
        self._request = asyncio.create_task(request, name=f"lease-{name}")
        self._request.add_done_callback(self._on_task_done)

    def _drop(self) -> None:
        if self._request is not None and not self._request.done():
            self._request.cancel()
            self._request = None

    def _answer(
        self, event: Event, *, reason: str = "", held: Held | None = None
    ) -> None:
        """
        Report an outcome, unless the request was dropped meanwhile.
        """
        if self._request is asyncio.current_task():
            self._request = None
            if held is not None:
                self.held = held
                self._holder_is(self._manager.identity)
            self.report(event, reason=reason)

    async def _acquire(self, deadline: float) -> None:
        sent = self._clock.now()
        try:
            timing = self._timing()
            async with asyncio.timeout(deadline - sent):
                result = await self._manager.acquire(duration=timing.lease_duration)
        except (LeaseError, TimeoutError) as exc:
            self._done("acquire", sent, error=exc)
            self._answer(ev.AttemptFailed(retry_at=self._retry_at(exc)))
            return
        self._done("acquire", sent)
        self._turns.learn(result)
        if isinstance(result, Held):
            won = ev.Won(token=result.token, sent=sent, timing=timing)
            self._answer(won, reason="acquired", held=result)
            return
        if result.holder:
            self._see_holder(result.holder)
        self._answer(ev.NotWon(retry_at=self._later(result)))

    def _later(self, refused: Refused) -> float | None:
        if refused.retry_at is None:
            return None
        now = self._clock.now()
        wait = max(0.0, refused.retry_at - now)
        return now + wait + random.random() * (0.01 + _JITTER * wait)  # noqa: S311

    async def _renew(self, deadline: float) -> None:
        sent = self._clock.now()
        duration = self.election.timing.lease_duration
        try:
            async with asyncio.timeout(deadline - sent):
                result = await self._manager.renew(duration=duration)
        except (LeaseError, TimeoutError) as exc:
            self._done("renew", sent, error=exc)
            self._answer(ev.RenewFailed(retry_at=self._retry_at(exc)))
            return
        self._done("renew", sent)
        if isinstance(result, Lost | Unwanted):
            event, reason = self._loss(result)
            self._answer(event, reason=reason)
            return
        self._answer(ev.Renewed(sent=sent))
        if result.leave:
            self.report(ev.StepDown(backoff=self._backoff), reason=result.leave)

    async def _release(self, deadline: float) -> None:
        sent = self._clock.now()
        try:
            async with asyncio.timeout(deadline - sent):
                await self._manager.release()
        except (LeaseError, TimeoutError) as exc:
            self._done("release", sent, error=exc)
            pause = self.election.timing.retry_period / 4
            self._answer(ev.ReleaseFailed(retry_at=self._retry_at(exc, pause)))
        else:
            self._done("release", sent)
            self._answer(ev.Released())

    def _retry_at(
        self, exc: LeaseError | TimeoutError, pause: float | None = None
    ) -> float:
        """
        Note a failed request and return when to try again.
        """
        error = exc
        if not isinstance(error, LeaseError):
            error = LeaseUnavailableError("the store did not answer in time")
        changed = str(error) != str(self.last_error)
        _logger.log(
            logging.WARNING if changed else logging.DEBUG,
            "the store of the lease: %s",
            error,
        )
        self.last_error = error
        self._give_up_if_forbidden(error)
        wait = self.election.timing.retry_period if pause is None else pause
        if isinstance(error, LeaseUnavailableError) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        return self._clock.now() + wait * (1 + 0.2 * random.random())  # noqa: S311

    def _give_up_if_forbidden(self, error: LeaseError) -> None:
        """
        A right missing from the very start is a mistake; later it may be a blip.
        """
        now = self._clock.now()
        if self._contacted or not isinstance(error, LeaseForbiddenError):
            self._forbidden_since = None
            return
        if self._forbidden_since is None:
            self._forbidden_since = now
        if now - self._forbidden_since >= self.election.timing.renew_deadline:
            self._fail(error)

    def _done(
        self,
        operation: Operation,
        sent: float,
        *,
        error: LeaseError | TimeoutError | None = None,
    ) -> None:
        """
        Take note of an answer and tell it, with what a renewal had left.
        """
        now = self._clock.now()
        if error is None:
            self._contacted = True
            self.last_error = None
            self._see_record()
        grant = self.election.grant if operation == "renew" and error is None else None
        self.tell(
            RequestDone(
                operation=operation,
                seconds=now - sent,
                error=None if error is None else type(error).__name__,
                left=None if grant is None else grant.until - now,
                message="" if error is None else str(error) or "no answer in time",
            )
        )

    # -- the watch, the timer, the end -------------------------------------------

    async def _watch(self) -> None:
        async for change in self._manager.changes():
            self._see_record()
            event, reason = self._noticed(change)
            if isinstance(event, ev.Wake):
                self._turns.take(lambda: self.report(ev.Wake()))
            elif event is not None:
                self.report(event, reason=reason)

    def _noticed(self, change: Change) -> tuple[Event | None, str]:
        if isinstance(change, Sighted):
            self._see_holder(change.holder)
            return (ev.Wake() if change.try_now else None), ""
        if isinstance(change, Shortened):
            return ev.LeaseShortened(duration=change.duration), ""
        return self._loss(change)

    def _see_holder(self, holder: str) -> None:
        if self._holder_is(holder):
            _logger.info("%s", f"the leader is {holder}" if holder else "no leader")

    def _see_record(self) -> None:
        """
        Tell what the record says besides who holds it, where there is a record.
        """
        self._see_pause()
        record = self._manager.record
        if record is None:
            return
        seen = RecordSeen(
            token=record.token,
            transitions=record.transitions,
            released_by=record.released_by if record.was_released else None,
        )
        if seen != self._record:
            self._record = seen
            self.tell(seen)

    def _see_pause(self) -> None:
        """
        Say once that people asked everybody to stay put, and once that it is over.
        """
        paused = self._manager.paused
        if paused is self.paused:
            return
        self.paused = paused
        self.tell(PauseSeen(paused=paused))
        if paused:
            _logger.warning(
                "paused: nobody of us takes the lease or leaves it voluntarily until "
                "`k8s-leader resume`; a leader that cannot renew still stops"
            )
        else:
            _logger.info("resumed: the election goes on")

    def _holder_is(self, holder: str) -> bool:
        """
        Take note of the holder; tell whether it is another than before.
        """
        if holder == self.holder:
            return False
        self.holder = holder
        self.tell(HolderSeen(holder=holder))
        return True

    def _loss(self, change: Lost | Unwanted) -> tuple[Event, str]:
        if isinstance(change, Unwanted):
            return ev.StepDown(backoff=self._backoff), change.why
        self._holder_is(change.holder)
        return ev.LeaseLost(reason=change.reason), change.reason.value

    def _wake_at(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, at - self._clock.now())
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.report(ev.Tick())

    def _tell(self, before: State, after: State, held: Held | None) -> None:
        changed = StateChanged(
            before=before,
            after=after,
            reason=self._reason,
            token=None if held is None else held.token,
            holder=self.holder,
            term=None if held is None or held.term is None else held.term.transitions,
        )
        if after in (State.STANDBY, State.STOPPED, State.LEADING):
            self._reason = ""  # what comes next has a reason of its own
        self.tell(changed)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """
        End the loop with an error: nothing can be promised any more, so kill.
        """
        if self._fault is None:
            self._fault = error
            if self.election.grant is not None:
                self._workload.stop(why="internal error", budget=0.0)
        self._over.set()


async def _end(*tasks: asyncio.Task[None] | None) -> None:
    living = [task for task in tasks if task is not None and not task.done()]
    for task in living:
        task.cancel()
    if living:
        await asyncio.wait(living, timeout=1.0)
