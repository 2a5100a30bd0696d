"""
What is written from the chart is in step with it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from tests.helpers.helm import CHART, ROOT

pytestmark = pytest.mark.helm


def test_readme_and_manifests_are_what_the_chart_makes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "helm" / "write.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run make chart\n{done.stdout}{done.stderr}"


def test_the_chart_says_what_artifact_hub_shows() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    annotations = chart["annotations"]
    changes = yaml.safe_load(annotations["artifacthub.io/changes"])
    kinds = {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert {change["kind"] for change in changes} <= kinds
    assert annotations["artifacthub.io/category"] == "integration-delivery"
    assert (CHART / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
