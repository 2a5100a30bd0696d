"""
Whether the failed tests of a ring may be run a second time, alone.

A machine shared with others can stall a test of deadlines for seconds; that is no news
about the product. Two workloads at once is, however busy the machine: a failure that
speaks of it is final, and so are more failures than chance explains.

``again.py REPORT`` reads a JUnit report; exit status 0 means: they may.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

MOST = 3
FINAL = re.compile(
    r"at[ _]once|overlap|two writers|after (the|its) grant|written after"
    r"|(grant|tokens|taken|release): |did not grow",
    re.IGNORECASE,
)
"""
What the checks of a history say: tests/chaos/history.py, tests/e2e/terms.py, the fuzz
of the guard, the journals of candidates. tests/unit/test_rings.py asks each of them.
"""


def failures(report: str) -> dict[str, str]:
    """
    Return what each failed test said, by its name.
    """
    found = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        for problem in (*case.iter("failure"), *case.iter("error")):
            name = f"{case.get('classname')}::{case.get('name')}"
            found[name] = problem.get("message") or ""
    return found


def verdict(found: dict[str, str]) -> str | None:
    """
    Return why these failures stand, or nothing: then they may be run again.
    """
    if not found:
        return "the ring failed, but no test did"
    if len(found) > MOST:
        return f"{len(found)} tests failed, more than {MOST}"
    for name, text in found.items():
        if FINAL.search(text):
            return f"{name} speaks of two at once"
    return None


def main() -> int:
    """
    Say what failed and what follows; return 0 when it may be run again.
    """
    report = Path(sys.argv[1])
    found = failures(report.read_text()) if report.exists() else {}
    why = verdict(found)
    for name in found:
        print(f"!! FAILED: {name}")
    print(
        f"!! NOT RUN AGAIN: {why}" if why else "!! RUN AGAIN, ALONE (CONTRIBUTING.md)"
    )
    return int(why is not None)


if __name__ == "__main__":
    sys.exit(main())
