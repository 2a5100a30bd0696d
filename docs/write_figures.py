"""
Write docs/figures.md, its plots, and tables of other pages from the bench's results.

With ``--check`` they are only compared: a figure that nobody measured is red.
"""

from __future__ import annotations

import sys
from pathlib import Path

from generated import write_or_check

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from bench.figures import load  # noqa: E402  # after the path to it
from bench.report import ALSO, page, plots, told  # noqa: E402  # the same

README = DOCS.parent / "README.md"


def main() -> int:
    """
    Write, or compare, everything; return the exit status.
    """
    results = load()
    pages = [
        (DOCS / "figures.md", page(results)),
        (README, told(README.read_text(), results)),
        *(
            (DOCS / name, told((DOCS / name).read_text(), results, rows=rows))
            for name, rows in ALSO.items()
        ),
        *((DOCS / name, drawing) for name, drawing in plots(results)),
    ]
    return max(write_or_check(path, text) for path, text in pages)


if __name__ == "__main__":
    sys.exit(main())
