"""
A Python of its own, for what depends on what was imported before.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.helpers.measured import unmeasured

__all__ = ["answer_of"]


def answer_of(program: str, *, measured: bool = True) -> dict[str, Any]:
    """
    Run a program in a new interpreter and return the JSON object that it prints.

    Args:
        program: in Python.
        measured: whether its coverage counts, where any is measured; it loads modules.
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env=None if measured else unmeasured(),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]
