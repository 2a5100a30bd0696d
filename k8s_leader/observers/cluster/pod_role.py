"""
The marks on the own Pod: role, what it competes for, the cost of deleting it.

Level-triggered: there is one wish, what the marks should say, and one task that
brings the Pod there, one request at a time. So nothing queues up, a later wish
overtakes an earlier one, and what somebody else changed is put right when the wish is
sent again. Only the right to patch is needed: nothing is read first.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Any, Protocol

from k8s_leader.election.events import State
from k8s_leader.election.priority import HIGHEST
from k8s_leader.errors import (
    LeaseConflictError,
    LeaseError,
    LeaseForbiddenError,
    LeaseNotFoundError,
)
from k8s_leader.kube.pods import PodRef
from k8s_leader.observers.cluster.complaint import Complaint
from k8s_leader.observers.cluster.names import (
    CANDIDATE,
    DELETION_COST,
    LEASE,
    ROLE,
    Role,
    label_value,
)
from k8s_leader.observers.port import Notice, StateChanged, WorkloadStarted
from k8s_leader.values import dataclass

__all__ = ["Marks", "Pace", "PodMarker", "PodRole"]


class PodMarker(Protocol):
    """
    The part of the API client that this needs.
    """

    async def mark(
        self,
        pod: PodRef,
        *,
        labels: Mapping[str, str | None],
        annotations: Mapping[str, str | None],
        timeout: float,
    ) -> dict[str, Any]:
        """
        Set labels and annotations of one Pod; return the Pod.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """
    What is written on the Pod.

    Attributes:
        identity: of the candidate.
        namespace: of the lease.
        lease: its name.
        version: of k8s-leader.
        role: whether role, lease and candidate are written.
        deletion_cost: of the leader's Pod; 0: left alone.
        priority: of the candidate; noted where it is not the highest.
    """

    identity: str
    namespace: str
    lease: str
    version: str
    role: bool = True
    deletion_cost: int = 0
    priority: int = HIGHEST

    def labels(self, role: Role) -> dict[str, str | None]:
        """
        Return the labels for a role.
        """
        if not self.role:
            return {}
        return {ROLE: role.value, LEASE: label_value(self.lease)}

    def annotations(self) -> dict[str, str | None]:
        """
        Return the annotation that says who the candidate is.
        """
        if not self.role:
            return {}
        facts: dict[str, str | int] = {
            "identity": self.identity,
            "lease": f"{self.namespace}/{self.lease}",
            "version": self.version,
        }
        if self.deletion_cost:
            facts["deletion_cost"] = self.deletion_cost
        if self.priority != HIGHEST:
            facts["priority"] = self.priority
        return {CANDIDATE: json.dumps(facts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """
    How often requests are sent, in seconds.

    Attributes:
        timeout: of one request.
        leader_again: a leader puts its marks right this often; its connection stays
            warm by it (an API server closes idle ones after 90 s).
        standby_again: a standby does; rarely, for it should cost next to nothing.
        first_retry: after a failure; doubled with each one.
        longest_retry: also the pause while a right is missing.
    """

    timeout: float = 3.0
    leader_again: float = 60.0
    standby_again: float = 300.0
    first_retry: float = 1.0
    longest_retry: float = 300.0

    def again(self, role: Role) -> float:
        """
        Return the seconds until a role's marks are sent again.
        """
        rests = self.leader_again if role is Role.LEADER else self.standby_again
        return rests * (1 + 0.1 * random.random())  # noqa: S311  # not in step


class PodRole:
    """
    Observer that keeps the marks of one Pod.

    Args:
        api: patches Pods.
        pod: the own one; no other Pod is ever touched.
        marks: what to write.
        pace: how often.
    """

    def __init__(
        self, api: PodMarker, pod: PodRef, *, marks: Marks, pace: Pace | None = None
    ) -> None:
        self._api = api
        self._pod = pod
        self._marks = marks
        self._pace = pace or Pace()
        self._wish = Role.STANDBY
        self._stale = asyncio.Event()
        self._stale.set()
        self._settled = asyncio.Event()
        self._works = False
        self._failures = 0
        self._cost_is_ours = False
        self._cost_of_others: str | None = None
        self._complaint = Complaint(
            f"marking the Pod {pod.namespace}/{pod.name}",
            switch="--no-pod-label --pod-deletion-cost=0",
        )

    def on_notice(self, notice: Notice) -> None:
        """
        Follow the workload: leader from its start, standby when the term ends.
        """
        if isinstance(notice, WorkloadStarted):
            self._want(Role.LEADER)
        elif isinstance(notice, StateChanged):
            if notice.after is not State.LEADING:
                self._want(Role.STANDBY)
            elif notice.before is State.IDLE:  # a term that ran before we did
                self._want(Role.LEADER)

    async def step_back(self) -> None:
        """
        Have the leader's label taken away, and wait for that; the caller bounds it.

        Returns at once where the last request failed: waiting would be in vain.
        """
        self._want(Role.STANDBY)
        if self._works:
            await self._settled.wait()

    async def settle(self) -> None:
        """
        Wait until the Pod says what it should; the caller bounds it.
        """
        if self._works:
            await self._settled.wait()

    async def run(self) -> None:
        """
        Keep the marks until cancelled, or until the Pod turns out not to be ours.
        """
        try:
            while True:
                pause = await self._send()
                await self._rest(pause)
        except (LeaseConflictError, LeaseNotFoundError) as error:
            self._complaint.failed(error)
        finally:
            self._works = False
            self._settled.set()

    def _want(self, role: Role) -> None:
        if role is not self._wish:
            self._wish = role
            self._settled.clear()
            self._stale.set()

    async def _rest(self, pause: float) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._stale.wait()
        except TimeoutError:
            pass

    async def _send(self) -> float:
        """
        Send the wish; return the pause until it is sent again.

        Raises:
            LeaseConflictError: the Pod of this name is not ours.
            LeaseNotFoundError: there is no such Pod.
        """
        role = self._wish
        self._stale.clear()
        try:
            pod = await self._api.mark(
                self._pod,
                labels=self._marks.labels(role),
                annotations=self._marks.annotations() | self._cost(role),
                timeout=self._pace.timeout,
            )
        except (LeaseConflictError, LeaseNotFoundError):
            raise
        except LeaseError as error:
            return self._failed(error)
        return self._succeeded(role, pod)

    def _failed(self, error: LeaseError) -> float:
        self._works = False
        self._settled.set()  # who waits for it waits in vain
        self._complaint.failed(error)
        if isinstance(error, LeaseForbiddenError):
            return self._pace.longest_retry
        pause = self._pace.first_retry * 2.0 ** min(self._failures, 16)
        self._failures += 1
        return min(pause, self._pace.longest_retry)

    def _succeeded(self, role: Role, pod: dict[str, Any]) -> float:
        self._complaint.worked()
        self._works, self._failures = True, 0
        self._note_cost(role, pod)
        if role is self._wish and not self._stale.is_set():
            self._settled.set()
        return self._pace.again(role)

    # -- the cost of deletion ----------------------------------------------------

    def _cost(self, role: Role) -> dict[str, str | None]:
        if not self._marks.deletion_cost:
            return {}
        if role is Role.LEADER:
            return {DELETION_COST: str(self._marks.deletion_cost)}
        return {DELETION_COST: self._cost_of_others} if self._cost_is_ours else {}

    def _note_cost(self, role: Role, pod: dict[str, Any]) -> None:
        """
        Remember a standby's own cost, and take away one that an earlier run left.
        """
        if not self._marks.deletion_cost:
            return
        found = (pod.get("metadata", {}).get("annotations") or {}).get(DELETION_COST)
        self._cost_is_ours = found == str(self._marks.deletion_cost)
        if role is Role.STANDBY and self._cost_is_ours:
            self._stale.set()
        elif role is Role.STANDBY:
            self._cost_of_others = found
