"""
What happened, and whether it may have: a pure check of a finished history.

All candidates of a run are on one machine, so there is one boot-time clock, and the
instants of workloads, records and faults can be compared. The check knows nothing of
how the product works; it knows the promise:

- workloads of ours never overlap while the assumptions hold; outside, an overlap lies
  within the trouble that explains it, and a resource can tell the older by its token;
- every term has a larger token than all that began before it;
- no workload writes later than one lease duration after its term's last renewal was
  sent: whatever another elector does wrong, ours has stopped by then;
- nobody takes a record before its holder's time is over, unless it was given up;
- a record is released only when its workload writes no more;
- after every fault somebody works again, within a bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Beat", "Gap", "History", "Span", "State", "Trouble", "Verdict", "check"]

Term = tuple[str, float]
"""An identity, and when it acquired the record (boot-time seconds)."""

_SLACK = 0.05
"""Seconds between reading a clock and what was to be timed, on a busy machine."""

_NOTICED = 40.0
"""A hole is noticed within so many seconds: a watch lasts 30."""

_SECOND = 1.0
"""A renewal may say the next whole second (interop rule 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """
    One line of a workload. ``token`` 0: a peer's, which has none.
    """

    at: float
    token: int
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """
    The record after one write. ``renewed``, ``acquired``: boot-time seconds.

    Attributes:
        after_hole: whether states between this one and the one before were missed.
    """

    holder: str
    duration: float
    renewed: float
    acquired: float
    released_by: str = ""
    after_hole: bool = False

    @property
    def term(self) -> Term:
        """
        Return whose term it is, and when that began.
        """
        return self.holder, self.acquired


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """
    A time in which an assumption of the promise did not hold.

    Attributes:
        who: the candidate that it concerns; ``""``: everybody's record.
    """

    kind: str
    begin: float
    end: float
    who: str = ""

    def explains(self, begin: float, end: float, names: Iterable[str]) -> bool:
        """
        Tell whether something between these instants can be its doing.
        """
        concerned = not self.who or any(
            name.startswith(f"{self.who}_") for name in names
        )
        return concerned and self.begin - _SLACK <= begin and end <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """
    How long nobody worked after a fault was over; ``bound``: what is allowed.
    """

    after: str
    seconds: float
    bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """
    All that was seen of one run. Tokens are those of ours; states in store order.

    Attributes:
        holes: when it was noticed that states had been missed.
    """

    beats: Sequence[Beat]
    states: Sequence[State] = ()
    troubles: Sequence[Trouble] = ()
    gaps: Sequence[Gap] = ()
    holes: Sequence[float] = ()
    lease_duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """
    One term as its workload wrote it.
    """

    identity: str
    token: int
    first: float
    last: float


@dataclass(slots=True, kw_only=True)
class Verdict:
    """
    What the check came to; it holds when ``broken`` is empty.

    Attributes:
        outside: seconds of each overlap that a trouble explains.
        refused: beats that a fence-checking resource would have refused.
        unjudged: terms beside a hole of the history, whose grant is not known.
    """

    broken: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    outside: list[float] = field(default_factory=list)
    refused: int = 0
    unjudged: int = 0


def check(history: History) -> Verdict:
    """
    Check a history.
    """
    verdict = Verdict(spans=_spans(history.beats))
    ours = [span for span in verdict.spans if span.token]
    _check_overlaps(history, ours, verdict)
    _check_holders(history, ours, verdict)
    _check_tokens(history, ours, verdict)
    _check_grants(history, ours, verdict)
    _check_takes(history, verdict)
    _check_releases(history, ours, verdict)
    for gap in history.gaps:
        if gap.seconds > gap.bound:
            verdict.broken.append(
                f"progress: nobody worked for {gap.seconds:.1f} s after {gap.after}"
            )
    return verdict


def _spans(beats: Iterable[Beat]) -> list[Span]:
    found: dict[tuple[str, int], tuple[float, float]] = {}
    for beat in beats:
        key = (beat.identity, beat.token)
        first, last = found.get(key, (beat.at, beat.at))
        found[key] = (min(first, beat.at), max(last, beat.at))
    spans = [
        Span(identity=identity, token=token, first=first, last=last)
        for (identity, token), (first, last) in found.items()
    ]
    return sorted(spans, key=lambda span: span.first)


def _check_overlaps(history: History, ours: list[Span], verdict: Verdict) -> None:
    for index, span in enumerate(ours):
        for other in ours[index + 1 :]:
            begin, end = other.first, min(span.last, other.last)
            if begin > end:
                continue
            names = (span.identity, other.identity)
            text = f"{names[0]} ({span.token}) beside {names[1]} ({other.token})"
            if any(each.explains(begin, end, names) for each in history.troubles):
                verdict.outside.append(end - begin)
            else:
                verdict.broken.append(
                    f"overlap: {text} for {end - begin:.3f} s from {begin:.3f}"
                )


def _check_holders(history: History, ours: list[Span], verdict: Verdict) -> None:
    """
    Find who wrote on under another's record, a peer's too: those have no token.
    """
    taken = {state.term for state in history.states if state.holder}
    for holder, acquired in sorted(taken):
        for span in ours:
            names = (span.identity,)
            if holder in names or not span.first < acquired < span.last - _SECOND:
                continue
            if not _is_excused(history, acquired, span.last, names):
                verdict.broken.append(
                    f"overlap: {span.identity} wrote {span.last - acquired:.3f} s "
                    f"after {holder} had taken the record"
                )


def _check_tokens(history: History, ours: list[Span], verdict: Verdict) -> None:
    for before, after in pairwise(ours):
        if after.token <= before.token:
            verdict.broken.append(
                f"tokens: {after.identity} began with {after.token} after "
                f"{before.identity} with {before.token}"
            )
    highest = 0
    for beat in sorted(history.beats, key=lambda each: each.at):
        highest = max(highest, beat.token)
        verdict.refused += 0 < beat.token < highest


def _check_grants(history: History, ours: list[Span], verdict: Verdict) -> None:
    renewed: dict[Term, float] = {}
    for state in history.states:
        if state.holder:
            last = renewed.get(state.term, state.renewed)
            renewed[state.term] = max(last, state.renewed)
    for span in ours:
        term = _term_of(span, renewed)
        known = span.first if term is None else renewed[term]
        if _is_unseen(history, span) or _has_hole(history, known, span.last):
            verdict.unjudged += 1
            continue
        if term is None:
            if history.states:
                verdict.broken.append(f"grant: {span.identity} never held the record")
            continue
        end = renewed[term] + history.lease_duration
        names = (span.identity,)
        if span.last > end and not _is_excused(history, end, span.last, names):
            late = span.last - end
            verdict.broken.append(f"grant: {span.identity} wrote {late:.3f} s after it")


def _term_of(span: Span, terms: Iterable[Term]) -> Term | None:
    """
    Return the term of a span: of its candidate's the last that it began after.

    One candidate has many terms under one identity, told apart by when they began.
    """
    at = span.first + _SLACK
    mine = [term for term in terms if term[0] == span.identity and term[1] <= at]
    return max(mine, default=None)


def _is_unseen(history: History, span: Span) -> bool:
    """
    Tell whether the acquisition before a span may lie in a hole of the history.
    """
    return _has_hole(history, span.first - history.lease_duration, span.first)


def _has_hole(history: History, begin: float, end: float) -> bool:
    """
    Tell whether a state of this time may have been missed.
    """
    return any(begin < hole < end + _NOTICED for hole in history.holes)


def _is_excused(
    history: History, begin: float, end: float, names: tuple[str, ...]
) -> bool:
    return any(each.explains(begin, end, names) for each in history.troubles)


def _check_takes(history: History, verdict: Verdict) -> None:
    ours = {beat.identity for beat in history.beats if beat.token}
    for before, after in pairwise(history.states):
        taken = after.holder and after.holder != before.holder and not after.after_hole
        if not taken or not before.holder or after.holder not in ours:
            continue
        over = before.renewed + before.duration - _SECOND
        at = after.acquired
        if at < over and not _is_excused(history, at, at, (after.holder,)):
            verdict.broken.append(
                f"taken: {after.holder} took it {over - at:.3f} s before "
                f"{before.holder}'s time was over"
            )


def _check_releases(history: History, ours: list[Span], verdict: Verdict) -> None:
    terms = {state.term for state in history.states if state.holder}
    last: dict[Term, float] = {}
    for span in ours:
        term = _term_of(span, terms)
        if term is not None and not _is_unseen(history, span):
            last[term] = max(last.get(term, 0.0), span.last)
    for before, after in pairwise(history.states):
        holder = before.holder
        if not holder or after.holder or after.released_by != holder:
            continue
        late = last.get(before.term, 0.0) - after.renewed
        if late > _SLACK:
            verdict.broken.append(
                f"release: {holder} wrote {late:.3f} s after its record was released"
            )
