"""
What a ring of tests did, for the table that ends a whole run: rounds, seeds, minutes.

``.ci/test`` names a file (``RINGS``) and, for each ring, its name (``RING``). Tests
that make rounds :func:`note` how many; ``.ci/rings.py`` prints the table and holds the
minima.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

__all__ = ["note"]


def note(**facts: float | str) -> None:
    """
    Say what this ring did; numbers of one name are added up, texts are kept apart.

    Args:
        facts: such as ``schedules=10_000`` or ``seed="20261126"``.
    """
    if file := os.environ.get("RINGS"):
        line = json.dumps({"ring": os.environ.get("RING", "tests"), "facts": facts})
        # One short write to a file opened for appending: workers do not mix.
        with Path(file).open("a") as lines:
            lines.write(line + "\n")
