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
KEPT = json.loads((ROOT / "docs" / "rollout.json").read_text())


def test_picture_and_readme_are_drawn_from_the_measurement() -> None:
    script = ROOT / "docs" / "draw_rollout.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False, cwd=ROOT)
    assert done.returncode == 0, "run: make docs"
    assert "(docs/rollout.svg)" in (ROOT / "README.md").read_text()


def test_the_rollout_that_is_drawn_moved_the_leadership_once() -> None:
    gap = the_one_move(KEPT["runs"])
    assert 0 < gap < 0.5
    picture = (ROOT / "docs" / "rollout.svg").read_text()
    assert f"nobody works for {gap * 1000:.0f} ms" in picture
