"""
Draw docs/rollout.svg: who stood by and who worked during a rolling update.

The instants are what the end-to-end test measured, and the README says so. To take over
what it measured last on this machine:

    make e2e ARGS='-k rolling_update'
    .venv/bin/python docs/draw_rollout.py --take
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generated import write_or_check

MEASURED = Path(__file__).with_name("rollout.json")
PICTURE = Path(__file__).with_name("rollout.svg")
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- rollout: make docs -->", "<!-- end of rollout -->"
NOTHING = "The picture follows: it was not measured yet.\n"
WIDTH, LEFT, LANE, TOP = 560, 150, 34, 30
COLOURS = {"standby": "#c9d6e3", "leads": "#0b6e4f"}
BEFORE = 1.0
"""Seconds that are shown before the upgrade began."""


def gap_of(runs: list[dict[str, Any]]) -> float:
    """
    Return how long nobody worked, in seconds.
    """
    first, second = (run for run in runs if run["role"] == "leads")
    return float(second["from"] - first["to"])


def picture(runs: list[dict[str, Any]]) -> Iterator[str]:
    """
    Yield the lines of the SVG.
    """
    # Who did nothing after the beginning is no part of it.
    seen = [run for run in runs if run["to"] > 0]
    pods = list(dict.fromkeys(run["pod"] for run in seen))
    end = max(run["to"] for run in seen)
    scale = WIDTH / (end + BEFORE)
    bottom = TOP + LANE * len(pods)
    size = f"{LEFT + WIDTH + 20} {bottom + 66}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" '
        'font-family="sans-serif" font-size="12">'
    )
    yield f'<rect width="{LEFT + WIDTH + 20}" height="{bottom + 66}" fill="#fff"/>'

    def x(at: float) -> float:
        return LEFT + max(at + BEFORE, 0) * scale

    for second in range(int(end) + 1):
        yield f'<path d="M{x(second):.1f} {TOP}V{bottom}" stroke="#eee"/>'
        yield (
            f'<text x="{x(second):.1f}" y="{bottom + 14}" '
            f'text-anchor="middle">{second}</text>'
        )
    yield f'<text x="8" y="{bottom + 14}">seconds of the upgrade</text>'
    for number, pod in enumerate(pods):
        y = TOP + LANE * number
        mine = [run for run in seen if run["pod"] == pod]
        name = f"{mine[0]['version']} Pod {pod.rsplit('-', 1)[-1]}"
        yield f'<text x="8" y="{y + 20}">{name}</text>'
        for run in mine:
            start, stop = x(run["from"]), x(run["to"])
            yield (
                f'<rect x="{start:.1f}" y="{y + 5}" height="{LANE - 12}" '
                f'width="{max(stop - start, 1):.1f}" fill="{COLOURS[run["role"]]}"/>'
            )
    moved = next(run["from"] for run in seen[::-1] if run["role"] == "leads")
    yield f'<path d="M{x(moved):.1f} {TOP - 4}V{bottom}" stroke="#c1440e"/>'
    yield (
        f'<text x="{x(moved):.1f}" y="{TOP - 10}" text-anchor="end" '
        f'fill="#c1440e">nobody works for {gap_of(runs) * 1000:.0f} ms</text>'
    )
    for number, (role, colour) in enumerate(COLOURS.items()):
        left, top = LEFT + 110 * number, bottom + 34
        yield f'<rect x="{left}" y="{top}" width="14" height="14" fill="{colour}"/>'
        yield f'<text x="{left + 20}" y="{top + 12}">{role}</text>'
    yield "</svg>"


def told(readme: str, kept: dict[str, Any] | None) -> str:
    """
    Return the README with what was measured between its two marks.
    """
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_said(kept) if kept else NOTHING}{END}{after}"


def _said(kept: dict[str, Any]) -> str:
    gap = gap_of(kept["runs"]) * 1000
    return (
        f"![A rolling update of two replicas: nobody works for {gap:.0f} ms]"
        "(docs/rollout.svg)\n\n"
        f"Measured on kind by `make e2e` on {kept['date']} at {kept['commit']} "
        f"({kept['machine']['cores']} cores).\n"
    )


def take() -> None:
    """
    Take over what the end-to-end test kept last.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    shutil.copy(Path(base, "k8s-leader", "measured", "rollout.json"), MEASURED)


def main() -> int:
    """
    Draw, or with ``--check`` compare; return the exit status.
    """
    if "--take" in sys.argv:
        take()
    kept = json.loads(MEASURED.read_text()) if MEASURED.exists() else None
    text = told(README.read_text(), kept)
    status = write_or_check(README, text)
    if kept:
        drawn = "\n".join(picture(kept["runs"])) + "\n"
        status = max(status, write_or_check(PICTURE, drawn))
    return status


if __name__ == "__main__":
    sys.exit(main())
