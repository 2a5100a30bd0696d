"""
Combine what all processes of the tests measured, print it, and hold the thresholds.

Tests run guard and elector as processes of their own; each writes its own data file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OVERALL = 95.0
COMPLETE = ("election", "leases", "guard", "runner")
FLOOR = 99.0
"""Below it a run fails; between it and 100 it says so (docs/decisions/0003)."""


def coverage(*args: str) -> int:
    """
    Run the coverage tool of this environment; return its status.
    """
    command = [sys.executable, "-m", "coverage", *args]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def percent(summaries: list[dict[str, int]]) -> float:
    """
    Return the lines and branches covered of some files, in percent.
    """
    total = sum(s["num_statements"] + s.get("num_branches", 0) for s in summaries)
    hit = sum(s["covered_lines"] + s.get("covered_branches", 0) for s in summaries)
    return 100.0 * hit / total if total else 100.0


def reached(files: dict[str, dict[str, dict[str, int]]]) -> dict[str, float]:
    """
    Return what is covered of everything, and of each package that must be complete.
    """
    found = {"overall": percent([entry["summary"] for entry in files.values()])}
    for package in COMPLETE:
        prefix = f"k8s_leader/{package}/"
        found[package] = percent(
            [e["summary"] for name, e in files.items() if name.startswith(prefix)]
        )
    return found


def judge(found: dict[str, float]) -> tuple[list[str], bool]:
    """
    Return a line for each figure below what is wanted, and whether the run may pass.
    """
    wanted = {"overall": OVERALL} | dict.fromkeys(COMPLETE, 100.0)
    floors = {"overall": OVERALL} | dict.fromkeys(COMPLETE, FLOOR)
    short = [
        f"{name}: {found[name]:.2f} %, want {wanted[name]:g}, "
        f"fails below {floors[name]:g}"
        for name in wanted
        if found[name] < wanted[name]
    ]
    return short, all(found[name] >= floors[name] for name in floors)


def main() -> int:
    """
    Return 0 when everything that must be covered is.
    """
    coverage("combine", "--quiet")
    coverage("report")
    if coverage("json", "--quiet", "-o", "coverage.json"):
        return 1
    files = json.loads((ROOT / "coverage.json").read_text())["files"]
    short, passes = judge(reached(files))
    for line in short:
        print(f"!! coverage too low: {line}", file=sys.stderr)
    return int(not passes)


if __name__ == "__main__":
    sys.exit(main())
