"""
The README's picture of a rollout is what the end-to-end test measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.rollout import the_one_move

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT / "docs" / "rollout.json"


def test_picture_and_readme_are_drawn_from_the_measurement() -> None:
    script = ROOT / "docs" / "draw_rollout.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False, cwd=ROOT)
    assert done.returncode == 0, "run: make docs"


def test_a_rollout_is_shown_only_if_it_was_measured_and_moved_once() -> None:
    readme = (ROOT / "README.md").read_text()
    assert ("(docs/rollout.svg)" in readme) == MEASURED.exists()
    if not MEASURED.exists():
        assert "it was not measured yet" in readme
        return
    gap = the_one_move(json.loads(MEASURED.read_text())["runs"])
    assert 0 < gap < 1.0  # on a machine that ran three such tests at once
    picture = (ROOT / "docs" / "rollout.svg").read_text()
    assert f"nobody works for {gap * 1000:.0f} ms" in picture
