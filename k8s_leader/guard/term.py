"""
What may run and until when: the guard's own judgement.

The guard believes nothing: token, times and bounds are checked against its own
settings (S2, S9), so that an elector gone wrong can only make it stop sooner.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["NEVER", "Refusal", "Run", "Term", "Times"]

NEVER = float("inf")
_SLACK = 1e-6
_TO_DIE = 0.1
"""What a tree gets to die in between SIGKILL and the grant's end (seconds)."""


class Refusal(ValueError):  # noqa: N818  # it is an answer, not a fault
    """
    A message of the elector that the guard does not act on.
    """


class Times:
    """
    A grant's instants on the boot-time clock, checked by :meth:`read`.
    """

    __slots__ = ("sent", "stop_at", "until")

    def __init__(self, *, sent: float, stop_at: float, until: float) -> None:
        self.sent = sent
        self.stop_at = stop_at
        self.until = until

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
            times = cls(**{name: float(message[name]) for name in cls.__slots__})
        except (KeyError, TypeError, ValueError) as exc:
            raise Refusal(f"no times in it ({exc})") from exc
        limit = times.sent + timing["lease_duration"] - timing["safety_margin"]
        if not times.sent <= now + _SLACK:
            raise Refusal("it was sent in the future")
        if not times.until <= limit + _SLACK:
            raise Refusal("it permits more than the lease does")
        if not times.stop_at <= times.sent + timing["renew_deadline"] + _SLACK:
            raise Refusal("its deadline is too late")
        if not now < min(times.stop_at, times.until):
            raise Refusal("it came too late")
        times.stop_at = min(times.stop_at, times.until - _TO_DIE)
        return times


class Run:
    """
    Something that has the tree until it is told to stop.

    As such it is the standby command; the workload of a term is a :class:`Term`.

    Attributes:
        times: of its grant; without one it may run for ever.
        stopping: why it has to go; empty while it has not.
        kill_at: when it gets SIGKILL at the latest.
        killed_at: since when it does.
        stuck: it was reported as not dying.
    """

    what = "standby command"
    times = Times(sent=0.0, stop_at=NEVER, until=NEVER)

    def __init__(self) -> None:
        self.started_at = 0.0
        self.stopping = ""
        self.kill_at = NEVER
        self.killed_at = NEVER
        self.stuck = False

    def stop(self, why: str, *, kill_at: float) -> bool:
        """
        Note that it has to go; tell whether that is new.
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

    def next_deadline(self, *, kill_time: float) -> float:
        """
        Return when it has to be told to stop, or killed.
        """
        stop_at = NEVER if self.stopping else self.times.stop_at
        return min(stop_at, self.hard_deadline(kill_time=kill_time))


class Term(Run):
    """
    A term and its workload: what identifies it (S16), and its grant.

    Args:
        message: the elector's ``start``.
        timing: of the guard's settings.
        now: boot-time seconds.

    Raises:
        Refusal: something in the message is missing or wrong.
    """

    what = "workload"

    def __init__(
        self, message: dict[str, Any], *, timing: dict[str, float], now: float
    ) -> None:
        super().__init__()
        self.times = Times.read(message, timing=timing, now=now)
        token, transitions = message.get("token"), message.get("transitions")
        environ = message.get("env", {})
        if isinstance(token, bool) or not isinstance(token, int) or token <= 0:
            raise Refusal("its fencing token is not a positive number")
        if not isinstance(transitions, int) or not isinstance(environ, dict):
            raise Refusal("it is malformed")
        self.token = token
        self.uid = str(message.get("uid", ""))
        self.acquire_time = str(message.get("acquire_time", ""))
        self.transitions = transitions
        self.environ = {str(k): str(v) for k, v in environ.items()}

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
