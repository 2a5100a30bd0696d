"""
A horizontal bar for each elector, as SVG; lengths are logarithmic.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Bar", "bars"]

_WIDTH, _LEFT, _RIGHT, _TOP, _STEP, _THICK = 760, 150, 160, 34, 30, 16
_COLOURS = ("#0b6e4f", "#2b59c3", "#8a5a00", "#7a3b8f")
_FONT = 'font-family="sans-serif" font-size="13" fill="#444"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """
    One elector: the bar ends at the median, a line goes on to the longest.
    """

    name: str
    median: float
    longest: float
    label: str


def bars(title: str, drawn: Sequence[Bar]) -> str:
    """
    Return the plot; the same bars always give the same bytes.
    """
    low = min(bar.median for bar in drawn) / 3
    high = max(bar.longest for bar in drawn)
    height = _TOP + _STEP * len(drawn) + 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'{_FONT}><rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="8" y="20" font-weight="bold">{html.escape(title)}, '
        "logarithmic</text>"
    )
    lines = [line for n, bar in enumerate(drawn) for line in _bar(n, bar, low, high)]
    return "\n".join([head, *lines, "</svg>", ""])


def _bar(number: int, bar: Bar, low: float, high: float) -> Iterator[str]:
    top = _TOP + _STEP * number
    middle = top + _THICK / 2
    end, longest = (_place(v, low, high) for v in (bar.median, bar.longest))
    colour = _COLOURS[number % len(_COLOURS)]
    yield f'<text x="8" y="{top + 13}">{html.escape(bar.name)}</text>'
    yield (
        f'<rect x="{_LEFT}" y="{top}" width="{end - _LEFT:.1f}" height="{_THICK}" '
        f'fill="{colour}"/>'
    )
    yield f'<path d="M{end:.1f} {middle}H{longest:.1f}" stroke="{colour}"/>'
    yield f'<text x="{longest + 6:.1f}" y="{top + 13}">{html.escape(bar.label)}</text>'


def _place(value: float, low: float, high: float) -> float:
    if value <= low or high <= low:
        return _LEFT
    room = _WIDTH - _LEFT - _RIGHT
    return _LEFT + room * math.log(value / low) / math.log(high / low)
