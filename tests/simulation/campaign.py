"""
Many schedules: in several processes, summed up, with the first failure shrunk.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tests.simulation.quick import rarer_garbage
from tests.simulation.run import Outcome, run_plan, shrink
from tests.simulation.seams import simulated
from tests.simulation.themes import make_plan

__all__ = ["Summary", "explain", "run_many"]

_CHUNK = 250


@dataclass(slots=True, kw_only=True)
class Summary:
    """
    What many schedules came to.

    Attributes:
        findings: seed and text of what failed; at most twenty are kept.
        overlaps: by theme (outside the assumptions only): how many, the longest.
    """

    first_seed: int
    schedules: int = 0
    failed: int = 0
    inside: int = 0
    terms: int = 0
    requests: int = 0
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0
    themes: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[int, str]] = field(default_factory=list)
    overlaps: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """
        Count one schedule.
        """
        plan = outcome.plan
        self.schedules += 1
        self.inside += plan.inside
        self.terms += outcome.terms
        self.requests += outcome.requests
        self.virtual_seconds += outcome.virtual
        self.themes[plan.theme] += 1
        if outcome.findings:
            self.failed += 1
            first = outcome.findings[0]
            self.findings.append((plan.seed, f"{first.rule}: {first.text}"))
        if outcome.overlaps:
            self._add_overlaps(plan.theme, len(outcome.overlaps), max(outcome.overlaps))

    def merge(self, other: Summary) -> None:
        """
        Take in what another process counted.
        """
        for name in ("schedules", "failed", "inside", "terms", "requests"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.virtual_seconds += other.virtual_seconds
        self.cpu_seconds += other.cpu_seconds
        self.themes.update(other.themes)
        self.findings = sorted([*self.findings, *other.findings])[:20]
        for theme, (count, longest) in other.overlaps.items():
            self._add_overlaps(theme, count, longest)

    def as_json(self) -> dict[str, Any]:
        """
        Return it for people and for machines.
        """
        return {
            "schedules": self.schedules,
            "first_seed": self.first_seed,
            "failed": self.failed,
            "findings": self.findings,
            "inside_the_assumptions": self.inside,
            "outside": self.schedules - self.inside,
            "overlaps_outside": {
                theme: {"count": count, "longest_seconds": round(longest, 2)}
                for theme, (count, longest) in sorted(self.overlaps.items())
            },
            "terms": self.terms,
            "requests": self.requests,
            "virtual_hours": round(self.virtual_seconds / 3600, 3),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "themes": dict(sorted(self.themes.items())),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """
        Read back what :meth:`as_json` returned.
        """
        return cls(
            first_seed=data["first_seed"],
            schedules=data["schedules"],
            failed=data["failed"],
            inside=data["inside_the_assumptions"],
            terms=data["terms"],
            requests=data["requests"],
            virtual_seconds=3600 * data["virtual_hours"],
            cpu_seconds=data["cpu_seconds"],
            themes=Counter(data["themes"]),
            findings=[(seed, text) for seed, text in data["findings"]],
            overlaps={
                theme: (each["count"], each["longest_seconds"])
                for theme, each in data["overlaps_outside"].items()
            },
        )

    def _add_overlaps(self, theme: str, count: int, longest: float) -> None:
        before, most = self.overlaps.get(theme, (0, 0.0))
        self.overlaps[theme] = (before + count, max(most, longest))


def run_many(
    *, first: int, schedules: int, jobs: int, theme: str | None = None
) -> Iterator[Summary]:
    """
    Run schedules of consecutive seeds; yield the sum after every part.

    With a theme all of them are about it, instead of what each seed draws.
    """
    logging.getLogger("k8s_leader").setLevel(logging.CRITICAL + 1)
    total = Summary(first_seed=first)
    last = first + schedules
    starts = range(first, last, _CHUNK)
    parts = [(range(at, min(at + _CHUNK, last)), theme) for at in starts]
    if jobs == 1:
        for part in parts:
            total.merge(_run_part(part))
            yield total
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs) as pool:
        # In order: what is summed up is always all seeds up to one of them.
        for summary in pool.imap(_run_part, parts):
            total.merge(summary)
            yield total


def _run_part(part: tuple[range, str | None]) -> Summary:
    seeds, theme = part
    logging.getLogger("k8s_leader").setLevel(logging.CRITICAL + 1)
    began = time.process_time()
    summary = Summary(first_seed=seeds.start)
    with simulated(), rarer_garbage():
        for seed in seeds:
            summary.add(run_plan(make_plan(seed, theme=theme)))
    summary.cpu_seconds = time.process_time() - began
    return summary


def explain(seed: int, *, theme: str | None = None) -> str:
    """
    Return what a failing seed needs to fail at the least, with its trace.
    """
    outcome = run_plan(make_plan(seed, theme=theme), tracing=True)
    if outcome.findings:
        rule = outcome.findings[0].rule
        plan = shrink(outcome.plan, lambda each: rule in run_plan(each).rules)
        outcome = run_plan(plan, tracing=True)
    found = [f"{each.at:.3f} {each.rule}: {each.text}" for each in outcome.findings]
    return "\n".join(
        [outcome.plan.describe(), *outcome.lines, *(found or ["nothing was broken"])]
    )
