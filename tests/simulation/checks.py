"""
What must hold in every schedule, looked at while it happens.

Checks see what no candidate sees: the true time, the server's history, what every
workload really does. A broken promise becomes a finding with the rule's name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from k8s_leader.election.orders import is_paused
from k8s_leader.election.record import Record, Stored, TermId
from k8s_leader.guard.term import Term
from tests.simulation.overlaps import DELTA, Overlaps, Run, longest_beside_a_newer
from tests.simulation.server import Commit, Server
from tests.simulation.world import Scheduler

if TYPE_CHECKING:
    from tests.simulation.candidate import Candidate
    from tests.simulation.plan import Plan

__all__ = ["Checks", "Finding"]

_EPSILON = 0.005
_REACTION = 0.3
_BURST = 15
_BURST_TIME = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    A broken promise.
    """

    rule: str
    at: float
    text: str


@dataclass(slots=True)
class _Book:
    """
    What is known of one candidate.
    """

    until: float = 0.0
    excused_until: float = 0.0
    highest: int = 0
    term: Term | None = None
    last_write: tuple[int | None, Record] | None = None
    written_at: float = 0.0
    asked: deque[float] = field(default_factory=lambda: deque(maxlen=_BURST))
    short: tuple[int, float] | None = None  # version and duration of a foreign edit
    quit_at: float | None = None
    stopped_at: float = float("-inf")


@dataclass(slots=True)
class Checks:
    """
    All checks of one schedule.

    Attributes:
        findings: what was broken.
        overlaps: which workloads run at once.
        lines: the trace, if one is kept.
    """

    scheduler: Scheduler
    server: Server
    plan: Plan
    tracing: bool = False
    findings: list[Finding] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    terms: int = 0
    overlaps: Overlaps = field(init=False)
    _books: dict[str, _Book] = field(default_factory=dict)
    _claims: dict[tuple[str, str | None, int, str], int] = field(default_factory=dict)
    _tokens: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.overlaps = Overlaps(
            scheduler=self.scheduler,
            plan=self.plan,
            find=self.find,
            trace=self.trace,
        )
        self.server.on_commit = self._committed

    def trace(self, who: str, text: str) -> None:
        if self.tracing:
            self.lines.append(f"{self.scheduler.now:9.3f}  {who:8} {text}")

    def find(self, rule: str, text: str) -> None:
        now = self.scheduler.now
        self.findings.append(Finding(rule=rule, at=now, text=text))
        self.trace("CHECK", f"*** {rule}: {text}")

    # -- workloads ---------------------------------------------------------------

    def runs(self, who: Candidate, runs: bool) -> None:  # a callback
        """
        Take note that a workload of ours begins or ends to run.
        """
        if not runs:
            self._ended(who, self._books[who.identity])
            self.overlaps.end(who.name)
            return
        self.trace(who.name, "the workload RUNS")
        term = who.guard.term
        assert term is not None
        run = Run(
            since=self.scheduler.now,
            order=self._claims.get(_key(who.identity, term), 0),
            token=term.token,
            is_ours=True,
            most=longest_beside_a_newer(self.plan, who.timing, rate=who.machine.rate),
        )
        self.overlaps.begin(who.name, run)

    def _ended(self, who: Candidate, book: _Book) -> None:
        now = who.machine.now()
        allowed = max(book.until + DELTA, book.excused_until) + _EPSILON
        if now > allowed and not who.guard.stops:
            late = now - book.until
            self.find("past grant", f"{who.name} ran {late:.3f} s too long")
        if self.plan.calm and who.tree.killed and who.guard.quits == 1:
            budget = who.timing.stop_timeout
            if book.quit_at is not None and now < book.quit_at + budget - 0.05:
                self.find("S4", "a voluntary stop was cut short")
        if self.plan.keeps_term and who.tree.dying and not who.guard.quits:
            self.find("S8", f"{who.name} lost its term to a harmless edit")

    # -- grants and terms --------------------------------------------------------

    def started(self, who: Candidate) -> None:
        self._books[who.identity] = _Book()
        self.trace(who.name, f"starts as {who.identity}")

    def excuse(self, who: Candidate) -> None:
        """
        Note that its guard could not act until now: δ counts from here.
        """
        now = who.machine.now()
        self._books[who.identity].excused_until = now + DELTA

    def quitting(self, who: Candidate) -> None:
        self._books[who.identity].quit_at = who.machine.now()

    def granted(self, who: Candidate, term: Term) -> None:
        """
        Take note of a grant that the guard believes (S1, S17).
        """
        book = self._books[who.identity]
        times, timing = term.times, who.timing
        honest = who.confirmed_sent + timing.lease_duration - timing.safety_margin
        if times.until > honest + _EPSILON:
            self.find("S1", f"{who.name}: a grant {times.until - honest:.3f} too long")
        if times.stop_at > who.confirmed_sent + timing.renew_deadline + _EPSILON:
            self.find("S2", f"{who.name}: renewing is given up too late")
        book.until = times.until
        if book.term is not term:
            book.short = None
            book.term = term
            self.terms += 1
            self._check_token(who, term)

    def extends(self, who: Candidate, until: float) -> None:
        """
        Take note of a grant that an elector hands on (S8).

        A foreign edit that shortens the lease shortens it, until it is written back.
        """
        book = self._books[who.identity]
        if book.short is None:
            return
        margin = who.timing.safety_margin
        honest = who.confirmed_sent + book.short[1] - margin
        if until > max(honest, who.machine.now()) + _EPSILON:
            late = until - honest
            self.find("S8", f"{who.name}: a shortened lease, {late:.3f} too long")

    def _check_token(self, who: Candidate, term: Term) -> None:
        order = self._claims.get(_key(who.identity, term))
        if order is None or self.plan.rolls_back:
            return
        for other, token in self._tokens.items():
            if other != order and (other < order) is not (token < term.token):
                self.find("S17", f"token {term.token} beside {token}: not growing")
        self._tokens[order] = term.token
        if term.token <= 0:
            self.find("S17", "the token is not positive")

    # -- the record --------------------------------------------------------------

    def sends(self, who: Candidate, over: Stored | None, record: Record) -> None:
        """
        Take note of a write that leaves a candidate (S5, S6, S15).
        """
        book = self._books[who.identity]
        if self.tracing:
            self.trace(who.name, f"sends {_text(record)}")
        write = (None if over is None else over.version, record)
        soon = book.written_at + who.timing.retry_period / 5
        again = over is not None and write == book.last_write
        # A wall clock that went back makes equal what was dropped and done anew.
        if again and self.scheduler.now < soon and not self.plan.wall_moves:
            self.find("S6", f"{who.name} sends a write again that it had sent")
        book.last_write, book.written_at = write, self.scheduler.now
        claims = over is None or over.record.acquire_time != record.acquire_time
        if not record.holder:
            self._check_release(who, over)
            return
        if claims and who.tree.exists:
            self.find("S15", f"{who.name} claims while its tree lives")
        if claims and over is not None and is_paused(over.record):
            self.find("paused", f"{who.name} takes a lease that is paused")

    def _check_release(self, who: Candidate, over: Stored | None) -> None:
        if who.tree.exists:
            self.find("S5", f"{who.name} releases while its tree lives")
        if over is None or over.record.holder != who.identity:
            self.find("S5", f"{who.name} releases what is not its own")

    def confirmed(self, who: Candidate, stored: Stored) -> None:
        book = self._books[who.identity]
        book.highest = max(book.highest, stored.version or 0)
        if book.short is not None and (stored.version or 0) > book.short[0]:
            book.short = None

    def sees(self, who: Candidate, stored: Stored | None, *, quorum: bool) -> None:
        """
        Take note of what a candidate is shown: another's record ends its term (S3).
        """
        book = self._books[who.identity]
        term = who.guard.term
        if stored is None:
            if not quorum:
                return
        else:
            if (stored.version or 0) <= book.highest:
                return
            book.highest = stored.version or 0
        if term is None or not who.tree.runs:
            return
        if not _term_id(who.identity, term).is_in(stored):
            patience = _REACTION + who.guard.lateness
            self.scheduler.after(
                patience, self._must_be_dead, who, term, who.process, who.hiccups
            )
        elif stored is not None:
            self._sees_own(who, stored)

    def _sees_own(self, who: Candidate, stored: Stored) -> None:
        book = self._books[who.identity]
        duration = stored.record.duration
        if duration is not None and duration < who.timing.lease_duration:
            book.short = (stored.version or 0, duration)

    def _must_be_dead(
        self, who: Candidate, term: Term, process: object, hiccups: int
    ) -> None:
        undisturbed = who.process is process and who.hiccups == hiccups
        if undisturbed and who.guard.term is term and who.tree.runs:
            self.find("S3", f"{who.name} works on under another's record")

    def _committed(self, commit: Commit) -> None:
        stored = commit.stored
        if self.tracing:
            text = "deleted" if stored is None else _text(stored.record)
            self.trace("STORE", f"v{commit.version} by {commit.by}: {text}")
        if stored is not None and stored.record.holder:
            record = stored.record
            key = (record.holder, record.acquire_time, record.transitions, stored.uid)
            if key not in self._claims:
                self._claims[key] = order = len(self._claims) + 1
                self._look_for_roll_back(record.holder, order)

    def _look_for_roll_back(self, holder: str, order: int) -> None:
        """
        Note a claim that was under way while the store was rolled back.

        It is judged by the store against what both knew, and nobody can tell that
        another claim of the same state had been confirmed and forgotten meanwhile.
        """
        book = self._books.get(holder)
        if book is not None and book.written_at <= self.server.rolled_back_at:
            self.overlaps.astride.add(order)

    def asks(self, who: Candidate) -> None:
        """
        Take note of a request: too many in a moment are a busy loop.
        """
        asked = self._books[who.identity].asked
        now = self.scheduler.now
        if len(asked) == _BURST and now - asked[0] < _BURST_TIME:
            self.find("busy loop", f"{who.name}: {_BURST} requests in a moment")
            asked.clear()
        asked.append(now)

    # -- the rest ----------------------------------------------------------------

    def error(self, who: Candidate) -> Callable[[BaseException], None]:
        def on_error(error: BaseException) -> None:
            self.find("exception", f"{who.name}: {error!r}")

        return on_error

    def finish(self, candidates: list[Candidate]) -> None:
        """
        Look at the end: somebody leads, nobody asked too often, nobody is too late.
        """
        now = self.scheduler.now
        for who in candidates:
            book = self._books[who.identity]
            if who.tree.runs and not who.guard.stops:
                late = who.machine.now() - max(book.until + DELTA, book.excused_until)
                if late > _EPSILON:
                    self.find("past grant", f"{who.name} runs {late:.3f} s too long")
            if who.asked > 40 + self.plan.requests_per_second * (now - who.born):
                self.find("busy loop", f"{who.name} asked {who.asked} times")
            self._find_false_alarms(who)
        able = [who for who in candidates if not who.stopped and not who.stuck]
        patience = 10.0
        if self.plan.theme == "endings":  # who crashes in a loop stays out for long
            patience = 25.0
        last = self.overlaps.last_run
        if able and not self.overlaps.anybody_runs and now - last > patience:
            self.find("liveness", f"nobody leads since {last:.1f}")
        self.overlaps.finish()

    def _find_false_alarms(self, who: Candidate) -> None:
        seen = [manager._seen for manager in who.managers]
        if not self.plan.rolls_back and any(each.rolled_back_until for each in seen):
            self.find("false alarm", f"{who.name} took the store for rolled back")


def _term_id(identity: str, term: Term) -> TermId:
    return TermId(
        identity=identity,
        uid=term.uid,
        acquire_time=term.acquire_time,
        transitions=term.transitions,
    )


def _key(identity: str, term: Term) -> tuple[str, str | None, int, str]:
    return (identity, term.acquire_time, term.transitions, term.uid)


def _text(record: Record) -> str:
    holder = record.holder or "nobody"
    marker = f" released_by={record.released_by}" if record.released_by else ""
    return (
        f"holder={holder} duration={record.duration} "
        f"transitions={record.transitions} renewed={(record.renew_time or '-')[-13:]}"
        f" token={record.token}{marker}"
    )
