"""
Write the README's figures, docs/figures.md and its plots from the bench's results.

With ``--check`` they are only compared: a figure that nobody measured is red.
"""

from __future__ import annotations

import sys
from pathlib import Path

from generated import write_or_check

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from bench.figures import load  # noqa: E402  # after the path to it
from bench.report import page, plots, readme  # noqa: E402  # the same

README = DOCS.parent / "README.md"


def main() -> int:
    """
    Write, or compare, everything; return the exit status.
    """
    results = load()
    pages = [
        (DOCS / "figures.md", page(results)),
        (README, readme(README.read_text(), results)),
        *((DOCS / name, drawing) for name, drawing in plots(results)),
    ]
    return max(write_or_check(path, text) for path, text in pages)


if __name__ == "__main__":
    sys.exit(main())
