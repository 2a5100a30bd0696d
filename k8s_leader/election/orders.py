"""
Orders: what people ask of an election through its record.

The whole safety argument is that an order can do two things only. It can make a
candidate that might take the lease *wait* (paused, or left to another), and it can ask
a leader to *leave voluntarily* (S4: it renews until its tree is gone, then releases).
Nothing here lets anybody take, keep or release anything that it could not without.

An order is what somebody wrote into an annotation, maybe by hand. Who takes the lease
removes the orders to the leader before in that very write, so an old one deposes
nobody later. What cannot be understood is ignored, and told (``nonsense``).
"""

from __future__ import annotations

import re

from k8s_leader.election.record import Record, TermId
from k8s_leader.values import dataclass

__all__ = [
    "LEFT_FOR",
    "PAUSED",
    "STEP_DOWN",
    "SWITCHOVER",
    "Nonsense",
    "is_paused",
    "left_to",
    "names",
    "nonsense",
    "switchover_order",
    "term_name",
    "why_leave",
]

PAUSED = "k8s-leader.io/paused"
STEP_DOWN = "k8s-leader.io/step-down"
SWITCHOVER = "k8s-leader.io/switchover"

LEFT_FOR = 5.0
"""Seconds for which candidates leave a free lease to the target of a switchover."""

_TERM = r"[0-9]{1,10}/\S+"
_SWITCHOVER = re.compile(
    rf"(?P<target>[A-Za-z0-9_][A-Za-z0-9_.:@/-]*)(?: from (?P<term>{_TERM}))?"
)
_ALLOWED = {
    PAUSED: (re.compile("true|false"), "true or false"),
    STEP_DOWN: (
        re.compile(rf"true|false|{_TERM}"),
        "true (whoever leads) or TERM/IDENTITY of the leader",
    ),
    SWITCHOVER: (
        re.compile(rf"(?!(true|false)$){_SWITCHOVER.pattern}"),
        "the name of a Pod or an identity, and maybe ` from TERM/IDENTITY`",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonsense:
    """
    An order that nobody understands, and that is therefore ignored.
    """

    name: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return (
            f"{self.name} is {self.value!r}, which is ignored; allowed: {self.allowed}"
        )


def term_name(identity: str, transitions: int | None) -> str:
    """
    Return how orders name one term of one leader.
    """
    return f"{transitions or 0}/{identity}"


def switchover_order(target: str, *, term: str = "") -> str:
    """
    Return the order to hand over to ``target``, of one term or of any.
    """
    return f"{target} from {term}" if term else target


def nonsense(record: Record) -> tuple[Nonsense, ...]:
    """
    Return the orders of a record that nobody understands.
    """
    return tuple(
        Nonsense(name=name, value=value, allowed=_ALLOWED[name][1])
        for name, value in _written(record).items()
        if value is not None and _understood(name, value) is None
    )


def is_paused(record: Record | None) -> bool:
    """
    Tell whether our candidates shall neither take the lease nor leave voluntarily.
    """
    return record is not None and record.paused == "true"


def names(target: str, identity: str) -> bool:
    """
    Tell whether ``target`` means this candidate: its identity, or its Pod's name.

    A matter of preference only; ownership compares identities whole (S11).
    """
    return target in (identity, identity.rpartition("_")[0])


def why_leave(record: Record, term: TermId) -> str:
    """
    Return why the leader of ``term`` is asked to leave; ``""`` if it is not.
    """
    if is_paused(record):
        return ""
    own = term_name(term.identity, term.transitions)
    if _understood(STEP_DOWN, record.step_down) in ("true", own):
        return "asked to step down"
    target, of_term = _switchover(record)
    if not target or names(target, term.identity) or of_term not in (None, own):
        return ""
    return f"switchover to {target}"


def left_to(record: Record) -> str:
    """
    Return to whom a free lease is left for ``LEFT_FOR``; ``""``: to everybody.
    """
    target, of_term = _switchover(record)
    last = term_name(record.our_holder or "", record.our_transitions)
    return target if record.is_free and of_term in (None, last) else ""


def _written(record: Record) -> dict[str, str | None]:
    return {
        PAUSED: record.paused,
        STEP_DOWN: record.step_down,
        SWITCHOVER: record.switchover,
    }


def _understood(name: str, value: str | None) -> str | None:
    return value if value and _ALLOWED[name][0].fullmatch(value) else None


def _switchover(record: Record) -> tuple[str, str | None]:
    """
    Return the target, and the term that the order is about (``None``: any).
    """
    found = _SWITCHOVER.fullmatch(_understood(SWITCHOVER, record.switchover) or "")
    return ("", None) if found is None else (found["target"], found["term"])
