"""
What the scripts that write pages share: write, or with ``--check`` only compare.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_or_check(path: Path, text: str) -> int:
    """
    Write a page, or compare it with what is there; return the exit status.
    """
    if "--check" in sys.argv:
        return int(not path.exists() or path.read_text() != text)
    path.write_text(text)
    return 0
