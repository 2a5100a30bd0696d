"""
Draw docs/prometheus.svg: what Prometheus saw of leaders that stop, die and freeze.

The numbers are kept by the test of it:

    STORY_FILE=story.json python -m pytest tests/integration/observed
    python docs/draw_story.py story.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PICTURE = Path(__file__).with_name("prometheus.svg")
PANELS = ("Leaders", "Candidates", "Who leads", "Grant left", "Fencing token")
WIDTH, HEIGHT, LEFT, GAP = 720, 70, 150, 22
LONGEST_STEP = 0.75
"""Seconds between two points of one line; more is a gap in what was scraped."""
COLOURS = ("#0b6e4f", "#c1440e", "#2b59c3", "#8a5a00", "#7a3b8f", "#555555")

Points = list[tuple[float, float]]


def lines(story: list[Any], title: str) -> list[Points]:
    """
    Return the lines of one panel.
    """
    found = []
    for panel, _, series in story:
        if panel == title:
            found += [[(at, float(value)) for at, value in s["values"]] for s in series]
    return found


def runs(points: Points) -> Iterator[Points]:
    """
    Yield the pieces of a line: where nothing was scraped there is none.
    """
    piece: Points = []
    for point in points:
        if piece and point[0] - piece[-1][0] > LONGEST_STEP:
            yield piece
            piece = []
        piece.append(point)
    yield piece


def panel(
    title: str, drawn: list[Points], *, top: float, span: Points
) -> Iterator[str]:
    """
    Yield the SVG of one panel.
    """
    (first, _), (last, _) = span
    most = max((value for line in drawn for _, value in line), default=1.0) or 1.0
    bottom = top + HEIGHT
    yield f'<text x="8" y="{top + 14}" font-weight="bold">{title}</text>'
    yield f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.3g}</text>'
    yield f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
    yield f'<path d="M{LEFT} {bottom}H{LEFT + WIDTH}" stroke="#bbb"/>'
    for number, line in enumerate(drawn):
        for piece in runs(line):
            places = (
                f"{LEFT + WIDTH * (at - first) / (last - first):.1f},"
                f"{bottom - HEIGHT * value / most:.1f}"
                for at, value in piece
            )
            colour = COLOURS[number % len(COLOURS)]
            yield (
                f'<polyline points="{" ".join(places)}" fill="none" '
                f'stroke="{colour}" stroke-width="2"/>'
            )


def picture(story: list[Any]) -> Iterable[str]:
    """
    Yield the whole of the SVG.
    """
    times = [float(at) for _, _, many in story for s in many for at, _ in s["values"]]
    span = [(min(times), 0.0), (max(times), 0.0)]
    height = len(PANELS) * (HEIGHT + GAP) + 40
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} '
        f'{height}" font-family="sans-serif" font-size="12">'
    )
    yield f'<rect width="100%" height="{height}" fill="white"/>'
    for number, title in enumerate(PANELS):
        top = 10 + number * (HEIGHT + GAP)
        yield from panel(title, lines(story, title), top=top, span=span)
    seconds = span[1][0] - span[0][0]
    for mark in range(0, int(seconds) + 1, 10):
        at = LEFT + WIDTH * mark / seconds
        yield f'<text x="{at:.1f}" y="{height - 12}">{mark} s</text>'
    yield "</svg>"


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    PICTURE.write_text("\n".join(picture(told)) + "\n")
