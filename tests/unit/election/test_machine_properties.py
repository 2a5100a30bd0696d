"""
Whatever happens in whatever order, the election keeps its promises.
"""

from __future__ import annotations

from typing import ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from k8s_leader.election import events as ev
from k8s_leader.election.events import Event, State
from k8s_leader.election.grant import Grant
from k8s_leader.election.machine import Election
from k8s_leader.election.observation import LossReason
from k8s_leader.election.timing import Timing

TIMING = Timing.derive(15.0)


class World(RuleBasedStateMachine):
    """
    A store, a workload and a clock that do what they like.
    """

    pauses: ClassVar = st.floats(0.0, 8.0)

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.election = Election(timing=TIMING)
        self.request: object = None
        self.sent = 0.0
        self.workload = False  # something of it may be running
        self.grant: Grant | None = None
        self.finished = False

    def tell(self, event: Event) -> None:
        before = self.grant
        for action in self.election.handle(event, self.now):
            self.perform(action, before)

    def perform(self, action: ev.Action, before: Grant | None) -> None:
        match action:
            case ev.Acquire() | ev.Renew() | ev.Release():
                assert self.request is None, f"{action} beside {self.request}"
                assert self.now <= action.deadline <= self.now + TIMING.request_timeout
                if isinstance(action, ev.Renew):
                    assert self.workload
                    assert self.grant is not None
                    assert action.deadline <= self.grant.stop_at
                else:
                    assert not self.workload, f"{action} under a workload"
                self.request, self.sent = action, self.now
            case ev.Cancel():
                assert self.request is not None
                self.request = None
            case ev.StartWorkload(grant=grant):
                assert not self.workload
                assert self.now < grant.stop_at
                self.workload, self.grant = True, grant
            case ev.ExtendGrant(grant=grant):
                assert before is not None
                assert self.now < before.stop_at or grant.until <= before.until
                assert grant.token == before.token
                self.grant = grant
            case ev.StopWorkload(budget=budget):
                assert 0.0 <= budget <= TIMING.stop_timeout
                if self.election.state is State.LOSING:
                    assert self.grant is not None
                    bound = self.grant.stop_at + TIMING.kill_time
                    assert budget == 0.0 or self.now + budget <= bound + 1e-6
            case ev.WakeAt():
                pass
            case ev.Finish():
                assert not self.workload
                assert self.request is None
                self.finished = True

    @initialize()
    def start(self) -> None:
        self.tell(ev.Start())

    @rule(pause=pauses)
    def time_passes(self, pause: float) -> None:
        self.now += pause

    @rule()
    def tick(self) -> None:
        self.tell(ev.Tick())

    @rule()
    def wake(self) -> None:
        self.tell(ev.Wake())

    @rule()
    @precondition(lambda self: not self.finished)
    def stop(self) -> None:
        self.tell(ev.Stop())

    @rule(backoff=pauses)
    def step_down(self, backoff: float) -> None:
        self.tell(ev.StepDown(backoff=backoff))

    @rule(reason=st.sampled_from(LossReason))
    def lose(self, reason: LossReason) -> None:
        self.tell(ev.LeaseLost(reason=reason))

    @rule(duration=st.floats(1.0, 60.0))
    def shorten(self, duration: float) -> None:
        if self.election.state is not State.IDLE:
            self.tell(ev.LeaseShortened(duration=duration))

    @rule(good=st.booleans(), wait=pauses)
    @precondition(lambda self: self.request is not None)
    def answer(self, *, good: bool, wait: float) -> None:
        request, self.request = self.request, None
        at = self.now + wait
        won = ev.Won(token=1, sent=self.sent, timing=TIMING)
        if isinstance(request, ev.Acquire):
            self.tell(won if good else ev.NotWon(retry_at=at))
        elif isinstance(request, ev.Renew):
            renewed = ev.Renewed(sent=self.sent)
            self.tell(renewed if good else ev.RenewFailed(retry_at=at))
        else:
            self.tell(ev.Released() if good else ev.ReleaseFailed(retry_at=at))

    @rule(wait=pauses)
    @precondition(lambda self: isinstance(self.request, ev.Acquire))
    def fail_to_ask(self, wait: float) -> None:
        self.request = None
        self.tell(ev.AttemptFailed(retry_at=self.now + wait))

    @rule(backoff=pauses)
    @precondition(lambda self: self.workload)
    def workload_goes(self, backoff: float) -> None:
        self.workload = False
        self.tell(ev.WorkloadGone(backoff=backoff))

    @rule()
    @precondition(lambda self: self.workload)
    def workload_is_stuck(self) -> None:
        self.tell(ev.WorkloadStuck())

    @invariant()
    def a_workload_is_known_of(self) -> None:
        running = (State.LEADING, State.STOPPING, State.LOSING)
        assert self.workload == (self.election.state in running)

    @invariant()
    def the_end_is_the_end(self) -> None:
        assert self.finished == (self.election.state is State.STOPPED)

    @invariant()
    def an_attempt_or_a_release_is_never_forgotten(self) -> None:
        if self.election.state is State.ACQUIRING:
            assert isinstance(self.request, ev.Acquire)


World.TestCase.settings = settings(max_examples=300, stateful_step_count=40)
TestElection = World.TestCase
