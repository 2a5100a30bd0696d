"""
Draw docs/prometheus.svg: what Prometheus saw of leaders that stop, die and freeze.

The numbers are kept by the test of it, which then pauses between its acts:

    STORY_FILE=story.json python -m pytest tests/integration/observed/test_prometheus.py
    python docs/draw_story.py story.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PICTURE = Path(__file__).with_name("prometheus.svg")
PANELS = ("Leaders", "Candidates", "Who leads", "Grant left", "Fencing token")
WIDTH, HEIGHT, LEFT, GAP, ROW = 720, 60, 160, 24, 18
LONGEST_STEP = 0.75
"""Seconds between two points of one line; more is a gap in what was scraped."""
COLOURS = {"": "#333333", "a": "#0b6e4f", "b": "#c1440e", "c": "#2b59c3"}
"""Candidate → colour; all of them together are grey."""

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Scale:
    """
    Where an instant is drawn.
    """

    first: float
    last: float

    def x(self, at: float) -> float:
        """
        Return how far to the right.
        """
        return LEFT + WIDTH * (at - self.first) / (self.last - self.first)


def lines(story: dict[str, Any], title: str) -> Iterator[tuple[str, Points]]:
    """
    Yield the lines of one panel: whose each is, and its points.
    """
    for panel, _, series in story["panels"]:
        if panel == title:
            for one in series:
                points = [(at, float(value)) for at, value in one["values"]]
                yield one["metric"].get("pod", ""), points


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


def text(x: float, y: float, what: str, *, more: str = "") -> str:
    """
    Return the SVG of some words.
    """
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{what}</text>'


def panel(
    title: str, drawn: list[tuple[str, Points]], *, top: float, scale: Scale
) -> Iterator[str]:
    """
    Yield the SVG of one panel; each point lasts until the next.
    """
    values = [value for _, points in drawn for _, value in points]
    most = max(values)
    least = min(values) - 1 if title == "Fencing token" else 0.0
    bottom = top + HEIGHT
    yield text(8, top + 12, title, more=' font-weight="bold"')
    for value, y in ((most, top + 10), (least, bottom)):
        yield text(LEFT - 6, y, f"{value:.4g}", more=' text-anchor="end"')
    yield f'<path d="M{LEFT} {bottom}H{LEFT + WIDTH}" stroke="#bbb"/>'
    for number, (pod, points) in enumerate(drawn):
        for piece in runs(points):
            base = bottom - 2 * (number % 3)  # or one line would hide another
            steps = [
                (scale.x(at), base - HEIGHT * (value - least) / (most - least))
                for at, value in piece
            ]
            path = f"M{steps[0][0]:.1f} {steps[0][1]:.1f}"
            path += "".join(f"H{x:.1f}V{y:.1f}" for x, y in steps[1:])
            yield (
                f'<path d="{path}" fill="none" stroke="{COLOURS[pod]}" '
                f'stroke-width="2"/>'
            )


def alerts(story: dict[str, Any], *, top: float, scale: Scale) -> Iterator[str]:
    """
    Yield a bar for each alert while it fired.
    """
    for number, series in enumerate(story["alerts"]):
        y = top + number * ROW
        name = series["metric"]["alertname"].removeprefix("K8sLeader")
        yield text(8, y + 11, f"alert {name}", more=' font-weight="bold"')
        for piece in runs([(at, float(value)) for at, value in series["values"]]):
            x = scale.x(piece[0][0])
            width = max(2.0, scale.x(piece[-1][0]) - x)
            yield (
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="12" '
                f'fill="#c92a2a"/>'
            )


def acts(
    story: dict[str, Any], *, top: float, bottom: float, scale: Scale
) -> Iterator[str]:
    """
    Yield what was done to the candidates, and when.
    """
    for number, (at, what) in enumerate(story["acts"]):
        x, y = scale.x(at), 14 + 14 * (number % 3)
        yield (
            f'<path d="M{x:.1f} {top}V{bottom}" stroke="#999" stroke-dasharray="2 3"/>'
        )
        yield text(x + 2, y, what, more=' font-size="11"')


def picture(story: dict[str, Any]) -> Iterator[str]:
    """
    Yield the whole of the SVG.
    """
    times = [
        at for _, _, many in story["panels"] for one in many for at, _ in one["values"]
    ]
    scale = Scale(float(min(times)), float(max(times)))
    top = 60
    end = top + len(PANELS) * (HEIGHT + GAP) + ROW * len(story["alerts"])
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} '
        f'{end + 40}" font-family="sans-serif" font-size="12">'
    )
    yield f'<rect width="100%" height="{end + 40}" fill="white"/>'
    for number, (pod, colour) in enumerate(list(COLOURS.items())[1:]):
        yield text(
            8 + 20 * number, 14, pod, more=f' fill="{colour}" font-weight="bold"'
        )
    yield from acts(story, top=46, bottom=end, scale=scale)
    for number, title in enumerate(PANELS):
        y = top + number * (HEIGHT + GAP)
        yield from panel(title, list(lines(story, title)), top=y, scale=scale)
    y = top + len(PANELS) * (HEIGHT + GAP)
    yield from alerts(story, top=y, scale=scale)
    for mark in range(0, int(scale.last - scale.first) + 1, 10):
        yield text(scale.x(scale.first + mark), end + 24, f"{mark} s")
    yield "</svg>"


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    PICTURE.write_text("\n".join(picture(told)) + "\n")
