"""
What git says of this checkout, or of another; nothing where there is none.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["ask_git"]


def ask_git(root: Path, *words: str) -> str:
    """
    Return what a command of git prints about the checkout in ``root``.
    """
    argv = ["git", "-C", str(root), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip()
