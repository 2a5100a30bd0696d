"""
A real Prometheus watches candidates on a real API server: stopped, killed and frozen.

The alerts are those of the chart, with all waiting times 30 times shorter.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from k8s_leader.election.orders import STEP_DOWN
from k8s_leader.guard.descent import state
from k8s_leader.observers.families import FAMILIES
from tests.helpers.candidate import Candidate, Journal, wait_until
from tests.helpers.http import free_port
from tests.helpers.prometheus import Prometheus, quicker
from tests.helpers.site import NAME, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.cluster import ApiServer
    from tests.helpers.lifeline import Lifeline

pytestmark = [pytest.mark.kube, pytest.mark.slow]

FILES = Path(__file__).resolve().parents[3] / "helm" / "k8s-leader" / "files"
DASHBOARD: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())
LEADERS = "sum(k8s_leader_is_leader)"
KEEP = os.environ.get("STORY_FILE")
"""Where to keep what was seen, for docs/draw_story.py."""


@pytest.fixture
def prometheus() -> str:
    found = shutil.which("prometheus")
    if found is None:
        reason = "no prometheus: install Debian's package of that name"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


class Story(ExitStack[None]):
    """
    Three candidates and the Prometheus that scrapes them.
    """

    def __init__(self, site: Site, ports: dict[str, int]) -> None:
        super().__init__()
        self.site = site
        self.ports = ports
        self.running: dict[str, Candidate] = {}
        self.acts: list[tuple[float, str]] = []

    def act(self, what: str) -> None:
        """
        Note what is done now; for the picture of it, with a moment of quiet before.
        """
        if KEEP:
            time.sleep(4.0)
        self.acts.append((time.time(), what))

    def begin(self, name: str) -> Candidate:
        """
        Start a candidate whose metrics are at its own port.
        """
        flags = ("--http", f"127.0.0.1:{self.ports[name]}")
        one = self.site.candidate(f"{name}-{len(self.site.journal.tokens())}", *flags)
        self.running[name] = self.enter_context(one)
        return one

    def told(self, seen: Prometheus) -> str:
        """
        Return what Prometheus and the candidates say, for a test that fails.
        """
        words = [f"scrapes: {seen.scrape_errors()}"]
        for one in self.running.values():
            last = "\n".join(one.text().splitlines()[-12:])
            words.append(f"{one.name} runs: {one.is_running}\n{last}")
        return "\n".join(words)

    def leader(self) -> Candidate:
        """
        Return the one whose workload runs.
        """
        found = [c for c in self.running.values() if c.leads(self.site.journal)]
        return found[0]


def test_alerts_and_dashboard_tell_what_happened(
    prometheus: str,
    api_server: ApiServer,
    journal: Journal,
    lifeline: Lifeline,
    tmp_path: Path,
) -> None:
    site = Site(api_server, journal, lifeline)
    story = Story(site, {name: free_port() for name in "abc"})
    rules = quicker((FILES / "rules.yaml").read_text(), times=30)
    server = Prometheus(
        prometheus, tmp_path, targets=story.ports, rules=rules, lifeline=lifeline
    )
    with server as seen:
        with story:
            begin = time.time()
            for name in story.ports:
                story.begin(name)
            _settled(story, seen, candidates=3)
            _step_down(story)
            _settled(story, seen, candidates=3)
            _stop_gracefully(story, seen)
            _kill(story, seen)
            _freeze(story, seen)
            story.act("")  # what follows is not told
            end = time.time()
        panels = _panels(seen, begin, end)
        assert [asked for *asked, series in panels if not series] == []
        fired = seen.range('ALERTS{alertstate="firing"}', start=begin, end=end)
        scraped = seen.names()
    if KEEP:
        told = {"panels": panels, "alerts": fired, "acts": story.acts[:-1]}
        Path(KEEP).write_text(json.dumps(told))
    assert {_bare(family.name) for family in FAMILIES} <= {_bare(n) for n in scraped}
    names = {series["metric"]["alertname"] for series in fired}
    assert "K8sLeaderMultipleLeaders" not in names
    assert journal.most_at_once() == 1


def _settled(story: Story, seen: Prometheus, *, candidates: int) -> None:
    """
    Wait until Prometheus sees one leader, all candidates, and nothing to alert of.
    """

    def found() -> tuple[float | None, float | None, set[str]]:
        return _candidates(seen), _number(seen.ask(LEADERS)), seen.firing()

    wanted = (candidates, 1, set[str]())
    last: list[object] = [None]  # not asked again: then it may be another

    def settled() -> bool:
        last.append(found())
        return last[-1] == wanted

    with contextlib.suppress(AssertionError):
        wait_until(settled, timeout=90.0)
    assert last[-1] == wanted, story.told(seen)


def _step_down(story: Story) -> None:
    """
    Have the leader leave and live on: it can tell of its end at later scrapes.
    """
    leader, site = story.leader(), story.site
    story.act("told to step down")
    site.api.patch(
        site.api.lease_path(site.namespace, NAME),
        {"metadata": {"annotations": {STEP_DOWN: "true"}}},
    )
    wait_until(lambda: not leader.leads(site.journal), why="another leads")


def _stop_gracefully(story: Story, seen: Prometheus) -> None:
    story.act("stopped (SIGTERM)")
    before = time.time()
    story.leader().stop()
    _settled(story, seen, candidates=2)
    # A hand-over is no gap.
    assert "K8sLeaderNoLeader" not in _fired(seen, before)


def _kill(story: Story, seen: Prometheus) -> None:
    leader = story.leader()
    story.act("killed")
    begun = time.time()
    leader.send(signal.SIGKILL)
    wait_until(lambda: "K8sLeaderNoLeader" in _fired(seen, begun), why="nobody leads")
    wait_until(lambda: "K8sLeaderNoLeader" not in seen.firing(), why="somebody leads")
    wait_until(lambda: _number(seen.ask(LEADERS)) == 1, why="it is one")
    wait_until(lambda: "K8sLeaderNoStandby" in seen.firing(), why="one is alone")
    story.act("others started")
    for name, one in story.running.copy().items():
        if not one.is_running:
            story.begin(name)
    _settled(story, seen, candidates=3)


def _freeze(story: Story, seen: Prometheus) -> None:
    leader = story.leader()
    elector = leader.elector
    assert elector is not None
    story.act("frozen")
    begun = time.time()
    os.kill(elector, signal.SIGSTOP)
    leader.send(signal.SIGSTOP)
    wait_until(lambda: "K8sLeaderNoLeader" in _fired(seen, begun), why="nobody answers")
    wait_until(lambda: "K8sLeaderNoLeader" not in seen.firing(), why="another leads")
    wait_until(lambda: not leader.leads(story.site.journal), why="its workload runs")
    # The end of the frozen guard may wake the elector for a last scrape.
    wait_until(lambda: _candidates(seen) == 2, why="what is frozen is not scraped")
    with contextlib.suppress(ProcessLookupError):
        os.kill(elector, signal.SIGCONT)
    wait_until(lambda: not state(elector), why="it buried the guard")


def _fired(seen: Prometheus, since: float) -> set[str]:
    """
    Return the names of the alerts that fired since then, some for a moment only.
    """
    found = seen.range('ALERTS{alertstate="firing"}', start=since, end=time.time())
    return {series["metric"]["alertname"] for series in found}


def _candidates(seen: Prometheus) -> float | None:
    return _number(seen.ask("count(k8s_leader_is_leader)"))


def _bare(name: str) -> str:
    """
    Return the name without what OpenMetrics takes for a suffix of samples.
    """
    return name.removesuffix("_total").removesuffix("_info")


def _number(found: list[dict[str, Any]]) -> float | None:
    return float(found[0]["value"][1]) if found else None


def _queries() -> Iterator[tuple[str, str]]:
    variables = {
        '"$namespace"': '".*"',
        '"$lease"': '".*"',
        "$__rate_interval": "5s",
        "$__range": "5m",
    }
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in variables.items():
                query = query.replace(name, value)
            yield panel["title"], query


def _panels(
    seen: Prometheus, begin: float, end: float
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """
    Return what each query of each panel shows.
    """
    return [
        (title, query, seen.range(query, start=begin, end=end))
        for title, query in _queries()
    ]
