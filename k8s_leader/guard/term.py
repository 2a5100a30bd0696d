"""
The term that the guard runs, and the guard's own judgement of its grant.

The guard believes nothing: token, times and bounds are checked against its own
settings (S2, S9), so that an elector gone wrong can only make it stop sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Refusal", "Term", "Times"]

_SLACK = 1e-6
_TO_DIE = 0.1
"""What a tree gets to die in between SIGKILL and the grant's end (seconds)."""


class Refusal(ValueError):  # noqa: N818  # it is an answer, not a fault
    """
    A message of the elector that the guard does not act on.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """
    A grant's instants, checked.
    """

    sent: float
    stop_at: float
    until: float

    @classmethod
    def read(
        cls, message: dict[str, Any], *, timing: dict[str, float], now: float
    ) -> Times:
        """
        Read and check the times of a ``start`` or ``extend``.

        Raises:
            Refusal: they are missing, in the future, or longer than allowed.
        """
        try:
            sent, stop_at, until = (
                float(message[name]) for name in ("sent", "stop_at", "until")
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise Refusal(f"no times in it ({exc})") from exc
        limit = sent + timing["lease_duration"] - timing["safety_margin"]
        if not sent <= now + _SLACK:
            raise Refusal("it was sent in the future")
        if not until <= limit + _SLACK:
            raise Refusal("it permits more than the lease does")
        if not stop_at <= sent + timing["renew_deadline"] + _SLACK:
            raise Refusal("its deadline is too late")
        if not now < min(stop_at, until):
            raise Refusal("it came too late")
        return cls(sent=sent, stop_at=stop_at, until=until)


@dataclass(slots=True, kw_only=True)
class Term:
    """
    The running term: what identifies it (S16) and until when it may run.
    """

    token: int
    uid: str
    acquire_time: str
    transitions: int
    times: Times
    environ: dict[str, str]
    stopping: str = ""
    kill_at: float = float("inf")
    killing: bool = False
    killing_since: float = 0.0
    stuck: bool = False

    @classmethod
    def read(
        cls, message: dict[str, Any], *, timing: dict[str, float], now: float
    ) -> Term:
        """
        Read a ``start``.

        Raises:
            Refusal: something in it is missing or wrong.
        """
        times = Times.read(message, timing=timing, now=now)
        token, transitions = message.get("token"), message.get("transitions")
        environ = message.get("env", {})
        if isinstance(token, bool) or not isinstance(token, int) or token <= 0:
            raise Refusal("its fencing token is not a positive number")
        if not isinstance(transitions, int) or not isinstance(environ, dict):
            raise Refusal("it is malformed")
        return cls(
            token=token,
            uid=str(message.get("uid", "")),
            acquire_time=str(message.get("acquire_time", "")),
            transitions=transitions,
            times=times,
            environ={str(k): str(v) for k, v in environ.items()},
        )

    def facts(self) -> dict[str, object]:
        """
        Return what the next elector needs to continue exactly this term.
        """
        return {
            "token": self.token,
            "uid": self.uid,
            "acquire_time": self.acquire_time,
            "transitions": self.transitions,
            "sent": self.times.sent,
            "stop_at": self.times.stop_at,
            "until": self.times.until,
        }

    def stop(self, why: str, *, kill_at: float) -> bool:
        """
        Note that the workload has to go; tell whether that is new.
        """
        self.kill_at = min(self.kill_at, kill_at)
        is_new = not self.stopping
        self.stopping = self.stopping or why
        return is_new

    def hard_deadline(self, *, kill_time: float) -> float:
        """
        Return when SIGKILL comes, whatever anybody says (S2).
        """
        gone_by = self.times.until - _TO_DIE
        return min(self.kill_at, self.times.stop_at + kill_time, gone_by)
