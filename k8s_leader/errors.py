"""
The errors that k8s-leader raises, in one tree.

::

    LeaderError
    ├── SettingsError               a setting is wrong; nothing was started
    ├── LeaseError                  talking to the store of the lease went wrong
    │   ├── LeaseUnavailableError   it may work the next time (time-out, 5xx, 429)
    │   │   └── LeaseUnauthorizedError  401, also with re-read credentials
    │   ├── LeaseForbiddenError     403: a right is missing; carries the rule to add
    │   ├── LeaseConflictError      409: somebody else wrote first, read again
    │   ├── LeaseNotFoundError      404: there is no such lease
    │   └── LeaseMalformedError     the store answered something that is no lease
    ├── LeadershipLostError         the term of this candidate is over
    ├── HeartbeatError              the heartbeat callback failed: the service stops
    ├── WaitTimeoutError            no leadership within the time one wanted to wait
    ├── OrderRefusedError           what was asked contradicts what is the case
    └── IllegalEventError           a bug: an event that its state does not know

Messages are for people: they name the thing, its value, what is allowed and the
fix. No message ever carries a secret (rule S13).
"""

from __future__ import annotations

import enum

__all__ = [
    "ExitCode",
    "HeartbeatError",
    "IllegalEventError",
    "InWords",
    "LeaderError",
    "LeadershipLostError",
    "LeaseConflictError",
    "LeaseError",
    "LeaseForbiddenError",
    "LeaseMalformedError",
    "LeaseNotFoundError",
    "LeaseUnauthorizedError",
    "LeaseUnavailableError",
    "OrderRefusedError",
    "SettingsError",
    "WaitTimeoutError",
]


class ExitCode(enum.IntEnum):
    """
    What the ``k8s-leader`` command exits with when it is not the workload's code.

    The workload's own code is passed on as it is, 128+n when signal n ended it.
    """

    OK = 0
    CHECK_FAILED = 1
    REFUSED = 65
    NO_LEASE = 66
    UNAVAILABLE = 69
    INTERNAL = 70
    WAIT_TIMEOUT = 75
    FORBIDDEN = 77
    SETTINGS = 78
    LOST = 79
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127
    KILLED = 137


class LeaderError(Exception):
    """
    Base of every error that this package raises on purpose.
    """

    exit_code: ExitCode = ExitCode.INTERNAL


class InWords(str):
    """
    What stands for a value that is not shown, or that is none: printed as it is.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """
        Return the words, without quotes.
        """
        return str(self)


class SettingsError(LeaderError):
    """
    A setting has a value that cannot work; nothing was started.

    Args:
        setting: the name as the person wrote it (flag, variable, file key).
        value: the value found; ``None`` when it is missing. Never a secret: `InWords`
            stands for one.
        allowed: what would be allowed, in words.
        fix: what to do about it, in words.
    """

    exit_code = ExitCode.SETTINGS

    def __init__(self, setting: str, value: object, *, allowed: str, fix: str) -> None:
        self.setting = setting
        self.value = value
        self.allowed = allowed
        self.fix = fix
        shown = "is missing" if value is None else f"is {value!r}"
        super().__init__(f"{setting} {shown}; allowed: {allowed}. Fix: {fix}")


class LeaseError(LeaderError):
    """
    Talking to the store of the lease went wrong.
    """


class LeaseUnavailableError(LeaseError):
    """
    The store did not answer, or answered that it cannot now; try again.

    Args:
        message: what happened, without secrets.
        retry_after: seconds the store asked to wait; ``None`` if it did not say.
    """

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class LeaseUnauthorizedError(LeaseUnavailableError):
    """
    The store refused our credentials (401), also after they were read again.
    """


class LeaseForbiddenError(LeaseError):
    """
    A right is missing (403).

    Args:
        message: what was refused.
        rule: YAML of the exact rule to add to the Role; empty if unknown.
    """

    exit_code = ExitCode.FORBIDDEN

    def __init__(self, message: str, *, rule: str = "") -> None:
        self.rule = rule
        hint = f"\nAdd this rule to the Role of the ServiceAccount:\n{rule}"
        super().__init__(message + (hint if rule else ""))


class LeaseConflictError(LeaseError):
    """
    Somebody else wrote the record first (409); read it again and decide (S8).
    """


class LeaseNotFoundError(LeaseError):
    """
    The lease does not exist.
    """

    exit_code = ExitCode.NO_LEASE


class LeaseMalformedError(LeaseError):
    """
    The store answered with something that cannot be read as a lease.
    """


class LeadershipLostError(LeaderError):
    """
    The term of this candidate is over; whatever it protects must stop.
    """

    exit_code = ExitCode.LOST


class HeartbeatError(LeaderError):
    """
    The heartbeat callback raised; by contract this stops the service.
    """


class WaitTimeoutError(LeaderError):
    """
    Leadership was not acquired within the time the caller wanted to wait.
    """

    exit_code = ExitCode.WAIT_TIMEOUT


class OrderRefusedError(LeaderError):
    """
    An order contradicts what is the case; nothing was changed.
    """

    exit_code = ExitCode.REFUSED


class IllegalEventError(LeaderError):
    """
    An event reached a state that does not know it: a bug; nothing was changed.
    """
