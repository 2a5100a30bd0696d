"""
One run: faults, one step after the other, and the history that they leave.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.history import Gap, History, Trouble, Verdict, check
from tests.chaos.nemesis import FAULTS, OUTSIDE, PEER_FAULTS, Heal, Nemesis
from tests.chaos.record import RecordWatch
from tests.chaos.stage import LEASE, Stage, staged
from tests.helpers.candidate import boot_time
from tests.helpers.cluster import ApiError

__all__ = ["Run", "Settings", "run"]


_AWAY = {"freeze_api", "kill_api", "freeze_etcd", "kill_etcd"}
"""While one of these lasts nothing can be asked of the API server."""

_ASKS = {kind for kind in FAULTS if kind.startswith("take_") or "lease" in kind}


_STEP = 0.05
"""The wall clock may move by so many seconds in a run; more makes instants wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What a run is: ``seconds`` is how long faults begin; healing the last comes on top.

    Attributes:
        least_faults: so many are done, however long that takes.
    """

    seconds: float
    candidates: int
    seed: int
    lease_duration: float
    client_go: int = 0
    asyncio_peers: int = 0
    folder: Path
    least_faults: int = 0
    kinds: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Run:
    """
    What a run came to.
    """

    settings: Settings
    history: History
    verdict: Verdict
    faults: Counter[str]
    starts: int

    def as_json(self) -> dict[str, Any]:
        """
        Return it for people and for the record.
        """
        given, verdict = self.settings, self.verdict
        gaps = [gap.seconds for gap in self.history.gaps]
        return {
            "seed": given.seed,
            "candidates": given.candidates,
            "client_go_peers": given.client_go,
            "asyncio_peers": given.asyncio_peers,
            "lease_duration": given.lease_duration,
            "minutes": round(given.seconds / 60, 1),
            "faults": dict(sorted(self.faults.items())),
            "faults_total": self.faults.total(),
            "terms_of_ours": sum(1 for span in verdict.spans if span.token),
            "terms_of_peers": sum(1 for span in verdict.spans if not span.token),
            "beats": len(self.history.beats),
            "record_states": len(self.history.states),
            "history_holes": len(self.history.holes),
            "candidates_started": self.starts,
            "overlaps_inside": sum("overlap" in line for line in verdict.broken),
            "overlaps_outside": len(verdict.outside),
            "longest_outside_seconds": round(max(verdict.outside, default=0.0), 3),
            "terms_not_judged": verdict.unjudged,
            "beats_a_fence_refuses": verdict.refused,
            "longest_until_work_seconds": round(max(gaps, default=0.0), 2),
            "broken": verdict.broken,
        }


@dataclass(slots=True)
class _Play:
    stage: Stage
    chance: random.Random
    kinds: list[str]
    faults: Counter[str] = field(default_factory=Counter)
    troubles: list[Trouble] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def until_work(self, after: str) -> None:
        """
        Wait until somebody works, and keep how long that took.
        """
        length = self.stage.lease_duration
        bound = 3 * length + 15.0
        began = boot_time()
        self._pass(bound + 5, lambda: self.stage.somebody_works_since(began))
        self.gaps.append(Gap(after=after, seconds=boot_time() - began, bound=bound))

    def step(self) -> None:
        """
        Do one or two faults, let them last, heal them, and see somebody work.
        """
        nemesis = Nemesis(self.stage, self.chance)
        length = self.stage.lease_duration
        began = boot_time()
        heals: list[Heal] = []
        names: list[str] = []
        for _ in range(1 if self.chance.random() < 0.6 else 2):
            kind = self._draw(names)
            who = nemesis.target()
            try:
                heal = nemesis.do(kind, who)
            except (OSError, ApiError):  # it cannot be done now: the server is away
                continue
            heals.insert(0 if kind in _AWAY else len(heals), heal)
            names.append(kind)
            self.faults[kind] += 1
            whose = who.name if OUTSIDE.get(kind) == "its own" else ""
            if kind in OUTSIDE:
                self.troubles.append(
                    Trouble(kind=kind, begin=began, end=float("inf"), who=whose)
                )
        lasting = self.chance.choice((0.2, 0.5, 1.0, 1.0, 2.0)) * length
        self._pass(self.chance.uniform(0.5, 1.0) * lasting)
        self._heal(heals)
        self._end_troubles(boot_time() + length + 1.0)
        self.until_work(" and ".join(names) or "nothing")

    def _heal(self, heals: list[Heal]) -> None:
        """
        Undo the faults, the control plane's first; what needs it is tried again.
        """
        deadline = time.monotonic() + 60
        while heals:
            for heal in tuple(heals):
                try:
                    heal()
                except (OSError, ApiError):
                    if time.monotonic() > deadline:
                        raise
                else:
                    heals.remove(heal)
            self.stage.keep_control_plane()

    def _draw(self, before: list[str]) -> str:
        """
        Draw a fault of every kind before any comes again.
        """
        least = min(self.faults[kind] for kind in self.kinds)
        rare = [kind for kind in self.kinds if self.faults[kind] == least]
        if _AWAY & set(before):
            busy = _AWAY | _ASKS
            rare = [kind for kind in rare if kind not in busy] or ["black_hole"]
        return self.chance.choice(rare)

    def _end_troubles(self, end: float) -> None:
        for index, each in enumerate(self.troubles):
            if each.end == float("inf"):
                self.troubles[index] = Trouble(
                    kind=each.kind, begin=each.begin, end=end, who=each.who
                )

    def _pass(self, seconds: float, over: Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not over():
            self.stage.keep()
            time.sleep(0.05)


def run(settings: Settings, *, say: Callable[[str], None] = print) -> Run:
    """
    Play one run and check its history.
    """
    with staged(
        folder=settings.folder,
        lease_duration=settings.lease_duration,
        candidates=settings.candidates,
        client_go=settings.client_go,
        asyncio_peers=settings.asyncio_peers,
    ) as stage:
        watch = RecordWatch(stage.api, stage.namespace, LEASE)
        play = _Play(stage, random.Random(settings.seed), _kinds(settings))
        play.until_work("the start")
        end = time.monotonic() + settings.seconds
        while time.monotonic() < end or play.faults.total() < settings.least_faults:
            play.step()
            latest = play.gaps[-1]
            say(f"{latest.seconds:6.2f} s until somebody worked after {latest.after}")
        watch.close()
        starts = sum(actor.starts for actor in stage.actors)
    history = History(
        beats=stage.log.beats(),
        states=watch.states,
        troubles=play.troubles,
        gaps=play.gaps,
        holes=watch.holes,
        lease_duration=settings.lease_duration,
    )
    verdict = check(history)
    if abs(watch.stepped) > _STEP:
        verdict.broken.append(f"clock: the wall clock moved by {watch.stepped:+.3f} s")
    return Run(
        settings=settings,
        history=history,
        verdict=verdict,
        faults=play.faults,
        starts=starts,
    )


def _kinds(settings: Settings) -> list[str]:
    if settings.kinds:
        return list(settings.kinds)
    peers = settings.client_go + settings.asyncio_peers
    return [kind for kind in FAULTS if peers or kind not in PEER_FAULTS]
