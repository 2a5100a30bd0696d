"""
Alerts and dashboard, judged by Prometheus' own tool.

``promtool`` comes with Debian's package ``prometheus``. Where it is missing these tests
are skipped with a word about it; with ``CI=true`` they fail.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from k8s_leader.observers.families import FAMILIES
from tests.unit.observers.test_metrics import busy, scraped

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "helm" / "k8s-leader" / "files"
CASES = Path(__file__).with_name("rules_test.yaml")
RULES: list[dict[str, Any]] = yaml.safe_load((FILES / "rules.yaml").read_text())[
    "groups"
][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())
ALERTS = {rule["alert"] for rule in RULES}


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_and_their_annotations_are_valid(promtool: str) -> None:
    assert f"{len(RULES)} rules found" in run(
        promtool, "check", "rules", str(FILES / "rules.yaml")
    )


def test_each_alert_fires_when_it_should_and_only_then(
    promtool: str, tmp_path: Path
) -> None:
    bare = [{k: v for k, v in r.items() if k != "annotations"} for r in RULES]
    rules = {"groups": [{"name": "k8s-leader", "rules": bare}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    shutil.copy(CASES, tmp_path)
    run(promtool, "test", "rules", str(tmp_path / CASES.name))


def test_every_alert_is_tested_both_ways_and_has_a_page() -> None:
    seen: dict[str, set[bool]] = {}
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for expected in case["alert_rule_test"]:
            fires = bool(expected["exp_alerts"])
            seen.setdefault(expected["alertname"], set()).add(fires)
    assert seen == {alert: {True, False} for alert in ALERTS}
    for rule in RULES:
        page = ROOT / rule["annotations"]["runbook"]
        assert page.stem == rule["alert"]
        assert page.read_text().startswith(f"# {rule['alert']}\n")
    assert {p.stem for p in (ROOT / "docs" / "runbooks").glob("K8s*.md")} == ALERTS


def queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for note in DASHBOARD["annotations"]["list"]:
        yield note["expr"]


def test_every_query_of_the_dashboard_is_valid(promtool: str, tmp_path: Path) -> None:
    variables = {"$__rate_interval": "1m", "$__range": "1h"}
    rules = []
    for number, query in enumerate(queries()):
        for name, value in variables.items():
            query = query.replace(name, value)  # noqa: PLW2901  # the same query
        rules.append({"record": f"panel:{number}", "expr": query})
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run(promtool, "check", "rules", str(file))


def test_every_panel_has_its_own_place_and_heeds_the_variables() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["description"]
    for query in queries():
        used = re.findall(r"k8s_leader_\w+(\{[^}]*\})?", query)
        assert used
        assert set(used) == {'{lease_namespace=~"$namespace", lease=~"$lease"}'}


def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    pages = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
    files = (FILES / "rules.yaml", FILES / "dashboard.json", *pages)
    text = "".join(file.read_text() for file in files)
    asked = set(re.findall(r"\b(?:k8s_leader|leader_election)_[a-z_]+", text))
    there = {family.name for family in FAMILIES}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} <= there


def test_promtool_has_nothing_to_object_to_in_a_scrape(promtool: str) -> None:
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=scraped(busy()),
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
