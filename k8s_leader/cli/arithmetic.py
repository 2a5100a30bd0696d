"""
What a set of timings means, in numbers; pure.

All from the settings alone: none of it was measured. ρ is the difference of clock
rates that is tolerated, δ the pause of the guard (docs/safety.md).
"""

from __future__ import annotations

from typing import Any

from k8s_leader.election.timing import CLOCK_DRIFT, MAX_PAUSE, Timing
from k8s_leader.settings.parsers import format_duration
from k8s_leader.values import dataclass

__all__ = ["Meaning", "Moment", "meaning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """
    One mark of the timeline.

    Attributes:
        at: seconds after the last confirmed renewal was sent.
        what: happens then.
    """

    at: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """
    What timings promise; seconds.

    Attributes:
        crash_soonest: a crash until a standby may take the lease, at best.
        crash_latest: the same at worst.
        stop_longest: an orderly stop until the lease is released, at worst.
        outage_always: a shorter outage is survived whenever it begins, when requests
            fail at once.
        outage_hanging: the same when requests hang until their time-out.
        outage_never: a longer one always stops the workload.
        gone_by: the old workload is gone, by a slow clock.
        taken_from: another may take the lease, by a fast clock.
        pause: of the guard that is survived without an overlap: between the two.
        pause_wanted: what the promise is made for (δ).
        moments: after the last confirmed renewal.
    """

    crash_soonest: float
    crash_latest: float
    stop_longest: float
    outage_always: float
    outage_hanging: float
    outage_never: float
    gone_by: float
    taken_from: float
    pause: float
    pause_wanted: float
    moments: tuple[Moment, ...]

    @property
    def keeps_the_promise(self) -> bool:
        """
        Tell whether the margin covers the pause that the promise is made for.
        """
        return self.pause >= self.pause_wanted - 1e-9

    def document(self) -> dict[str, Any]:
        """
        Return it for scripts.
        """
        return {
            "crash_failover": _rounded(
                best=self.crash_soonest, worst=self.crash_latest
            ),
            "orderly_stop": _rounded(worst=self.stop_longest),
            "tolerated_outage": _rounded(
                always=self.outage_always,
                always_when_requests_hang=self.outage_hanging,
                never_above=self.outage_never,
            ),
            "overlap": {
                **_rounded(
                    old_gone_by=self.gone_by,
                    new_starts_from=self.taken_from,
                    pause_survived=self.pause,
                    pause_promised=self.pause_wanted,
                ),
                "promise_kept": self.keeps_the_promise,
            },
            "timeline": [{**_rounded(at=m.at), "what": m.what} for m in self.moments],
        }


def _rounded(**values: float) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}


def meaning(timing: Timing) -> Meaning:
    """
    Return what these timings promise.

    The safety margin is 1 s for a pause of the guard and 2ρ of the lease duration for
    clocks that run apart: the old leader's slow one, the newcomer's fast one.
    """
    length, retry = timing.lease_duration, timing.retry_period
    spare = timing.renew_deadline - timing.renew_every
    # Half of ρ to each side: together the rates differ by ρ.
    gone_by = (length - timing.safety_margin) * (1 + CLOCK_DRIFT / 2)
    taken_from = length * (1 - CLOCK_DRIFT / 2)
    return Meaning(
        crash_soonest=max(0.0, length - timing.renew_every),
        crash_latest=timing.worst_failover(),
        stop_longest=timing.stop_timeout + timing.kill_time,
        outage_always=max(0.0, spare - retry),
        outage_hanging=max(0.0, spare - retry - timing.request_timeout),
        outage_never=timing.renew_deadline,
        gone_by=gone_by,
        taken_from=taken_from,
        pause=taken_from - gone_by,
        pause_wanted=MAX_PAUSE,
        moments=_moments(timing),
    )


def _moments(timing: Timing) -> tuple[Moment, ...]:
    length = timing.lease_duration
    every = format_duration(round(timing.retry_period, 3))
    return (
        Moment(at=0.0, what="the last renewal that gets through is sent"),
        Moment(
            at=timing.renew_every,
            what=f"the next one fails; it is tried again every {every}",
        ),
        Moment(
            at=timing.renew_deadline, what="given up: the workload gets the stop signal"
        ),
        Moment(
            at=timing.renew_deadline + timing.kill_time, what="SIGKILL at the latest"
        ),
        Moment(
            at=length - timing.safety_margin,
            what="the grant ends: all processes of the workload are gone",
        ),
        Moment(
            at=length,
            what="the lease expires; a standby takes it by "
            f"{format_duration(round(timing.worst_failover(), 3))}",
        ),
    )
