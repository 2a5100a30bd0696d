"""
The durations of an election, their defaults and the relations that must hold.

Everything that is not set is derived from ``lease_duration`` (L), so that changing L
alone is always valid from 7 s up. Rules S1 and S2 of the design are checked here:
settings that could let two workloads run at once are refused.
"""

from __future__ import annotations

import math
from dataclasses import fields

from k8s_leader.election.grant import Grant
from k8s_leader.errors import SettingsError
from k8s_leader.values import dataclass

__all__ = ["CLOCK_DRIFT", "MAX_PAUSE", "PROFILES", "Timing"]

MAX_PAUSE = 1.0
"""δ: the guard is scheduled at least this often while its workload runs (seconds)."""

CLOCK_DRIFT = 0.01
"""ρ: clock rates of two machines differ by less than this."""

PROFILES = {"fast": 8.0, "default": 15.0, "tolerant": 60.0}
"""Lease durations by name, in seconds."""

_LONGEST = 365 * 86400.0
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """
    All durations of an election, in seconds; valid by construction.

    Build it with :meth:`derive`; the plain constructor wants every field.

    Attributes:
        lease_duration: L, how long a record protects its holder (15 s).
        renew_deadline: a renewal is given up this long after the request of the
            last confirmed one was sent, and the workload is told to stop (⅔ L).
        renew_every: how often the leader renews (L / 5).
        retry_period: how soon a failed request is tried again (2 s at L = 15 s,
            10 s at most).
        acquire_every: how often a standby tries when nothing wakes it (L).
        kill_time: from the stop signal after a loss to SIGKILL at the latest
            (0.15 L).
        safety_margin: the grant ends this long before the record could be taken:
            δ + 2ρL, the pause and the clock drift that are tolerated (1.3 s).
        stop_timeout: how long a voluntary stop may take before SIGKILL (25 s).
        request_timeout: the bound of one request to the store (L / 5, 1 to 10 s).

    Raises:
        SettingsError: a value is not positive and finite, or a relation is broken.
    """

    lease_duration: float
    renew_deadline: float
    renew_every: float
    retry_period: float
    acquire_every: float
    kill_time: float
    safety_margin: float
    stop_timeout: float
    request_timeout: float

    def __post_init__(self) -> None:
        """
        Refuse what cannot work, or cannot be safe.
        """
        for field in fields(self):
            _check_duration(field.name, getattr(self, field.name))
        self._check_safety()
        self._check_liveness()

    @classmethod
    def derive(
        cls,
        lease_duration: float = PROFILES["default"],
        *,
        renew_deadline: float | None = None,
        renew_every: float | None = None,
        retry_period: float | None = None,
        acquire_every: float | None = None,
        kill_time: float | None = None,
        safety_margin: float | None = None,
        stop_timeout: float | None = None,
        request_timeout: float | None = None,
    ) -> Timing:
        """
        Fill in from ``lease_duration`` what is ``None``.

        Raises:
            SettingsError: a given value, or the whole, cannot hold.
        """
        _check_duration("lease_duration", lease_duration)
        length = float(lease_duration)

        def given(value: float | None, derived: float) -> float:
            return derived if value is None else value

        return cls(
            lease_duration=length,
            renew_deadline=given(renew_deadline, length * 2 / 3),
            renew_every=given(renew_every, length / 5),
            retry_period=given(retry_period, min(10.0, length * 2 / 15)),
            acquire_every=given(acquire_every, length),
            kill_time=given(kill_time, 0.15 * length),
            safety_margin=given(safety_margin, MAX_PAUSE + 2 * CLOCK_DRIFT * length),
            stop_timeout=given(stop_timeout, 25.0),
            request_timeout=given(request_timeout, min(10.0, length / 5)),
        )

    def grant(self, *, token: int | None, sent: float) -> Grant:
        """
        Return what a write that was sent at ``sent`` and confirmed permits.
        """
        return Grant(
            token=token,
            sent=sent,
            stop_at=sent + self.renew_deadline,
            until=sent + self.lease_duration - self.safety_margin,
        )

    def worst_failover(self) -> float:
        """
        Return the seconds from a crash until a standby may take the lease.
        """
        return self.lease_duration * (1 + CLOCK_DRIFT)

    def _check_safety(self) -> None:
        needed = self.renew_deadline + self.kill_time + self.safety_margin
        if needed > self.lease_duration + _EPSILON:
            raise SettingsError(
                "lease_duration",
                self.lease_duration,
                allowed="at least renew_deadline + kill_time + safety_margin = "
                f"{self.renew_deadline:g} + {self.kill_time:g} + "
                f"{self.safety_margin:g} = {needed:g} s",
                fix="lengthen lease_duration (7 s or more works alone), or shorten "
                "one of the three",
            )

    def _check_liveness(self) -> None:
        soonest = self.renew_every + self.request_timeout
        if soonest >= self.renew_deadline:
            raise SettingsError(
                "renew_every",
                self.renew_every,
                allowed="renew_every + request_timeout below renew_deadline: "
                f"{self.renew_every:g} + {self.request_timeout:g} < "
                f"{self.renew_deadline:g} s",
                fix="renew more often, or lengthen renew_deadline and lease_duration",
            )
        if self.retry_period >= self.renew_deadline:
            raise SettingsError(
                "retry_period",
                self.retry_period,
                allowed=f"less than renew_deadline ({self.renew_deadline:g} s)",
                fix="shorten retry_period, so that a failed renewal is tried again",
            )
        if self.renew_every >= self.acquire_every:
            raise SettingsError(
                "acquire_every",
                self.acquire_every,
                allowed=f"more than renew_every ({self.renew_every:g} s)",
                fix="leave acquire_every out: it is lease_duration by default",
            )


def _check_duration(name: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and math.isfinite(value) and 0 < value <= _LONGEST:  # type: ignore[arg-type, operator]  # a number by the test before
        return
    raise SettingsError(
        name,
        value,
        allowed="a time above 0 and up to a year, such as 15s, 1m30s or a number",
        fix="give a positive duration, or leave it out to have it derived",
    )
