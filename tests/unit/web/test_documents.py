"""
The pages about metrics and HTTP say what a real scrape and a real server say.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from k8s_leader.election.events import State
from tests.helpers.http import ask
from tests.unit.web.conftest import Served

DOCS = Path(__file__).resolve().parents[3] / "docs"
ROW = re.compile(r"^\| `([a-z0-9_]+)` \| (\w+) \| ([^|]*) \| (.*) \|$", re.MULTILINE)


def test_the_page_of_metrics_is_what_the_table_says() -> None:
    script = DOCS / "write_metrics.py"
    argv = [sys.executable, str(script), "--check"]
    done = subprocess.run(argv, check=False, cwd=DOCS.parent, timeout=60)
    assert done.returncode == 0, "run `make docs`"


def test_the_page_of_metrics_is_what_a_scrape_shows(served: Served) -> None:
    served.story.lead()
    text = ask(served.port, "/metrics").text
    documented = {
        name: ("gauge" if kind == "info" else kind, help_)
        for name, kind, _, help_ in ROW.findall((DOCS / "metrics.md").read_text())
    }
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    scraped = {name: (kinds[name], helps[name]) for name in kinds}
    assert scraped == documented
    for name, labels in re.findall(r"^(\w+)\{([^}]*)\}", text, re.MULTILINE):
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        family = family if family in documented else name
        row = next(
            r for r in ROW.findall((DOCS / "metrics.md").read_text()) if r[0] == family
        )
        own = set(re.findall(r"`(\w+)`", row[2]))
        shown = set(re.findall(r'(\w+)="', labels)) - {"le"}
        common = (
            set()
            if name.startswith("leader_election")
            else {"lease", "lease_namespace"}
        )
        assert shown == own | common, name


def test_every_state_is_documented() -> None:
    text = (DOCS / "metrics.md").read_text()
    assert ", ".join(state.value for state in State) in text


def test_every_page_is_documented(served: Served) -> None:
    pages = set(ask(served.port, "/nope").text.split(": ")[1].split())
    documented = set(
        re.findall(r"^\| `(/\w*)` \|", (DOCS / "http.md").read_text(), re.MULTILINE)
    )
    assert documented == pages
