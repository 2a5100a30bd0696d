"""
The workflows of hosted CI, which do not run here, are at least well-formed.
"""

from __future__ import annotations

import subprocess

from tests.helpers.go_build import ACTIONLINT
from tests.packaging.conftest import ROOT


def test_actionlint_finds_nothing_in_the_workflows() -> None:
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert {path.stem for path in files} >= {"test", "image", "chart", "release"}
    done = subprocess.run(
        [ACTIONLINT.build(), "-no-color", *files],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
