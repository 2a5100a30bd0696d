"""
How records become lines for people: tables, ages, colours; all of it pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

__all__ = ["age", "clean", "painted", "seconds", "table", "wants_colour"]

_GAP = "  "
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_COLOURS = {"good": "32", "warn": "33", "fail": "31", "faint": "2", "strong": "1"}


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """
    Return a header line and one line per row, aligned; ``-`` stands for nothing.
    """
    cells = [[clean(cell) or "-" for cell in row] for row in (headers, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        _GAP.join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def clean(text: str) -> str:
    """
    Return a text of others without what could steer a terminal.
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def seconds(value: float | None) -> str:
    """
    Return a short time with a digit behind the point; empty: not known.
    """
    if value is None:
        return ""
    return f"{value:.1f}s" if abs(value) < _MINUTE else age(value)


def age(value: float | None) -> str:
    """
    Return a time in its two largest units, as kubectl does; empty: not known.
    """
    if value is None:
        return ""
    sign, whole = ("-" if value <= -1 else ""), int(abs(value))
    for unit, name, small, small_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "m"),
        (_MINUTE, "m", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // small
            return f"{sign}{whole // unit}{name}" + (
                f"{rest}{small_name}" if rest else ""
            )
    return f"{sign}{whole}s"


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """
    Tell whether colours help: on a terminal only, and never against NO_COLOR.
    """
    return (
        stream.isatty()
        and not environ.get("NO_COLOR")
        and environ.get("TERM", "") != "dumb"
    )


def painted(text: str, colour: str, *, wanted: bool) -> str:
    """
    Return a text in a colour (good, warn, fail, faint, strong) where that is wanted.
    """
    code = _COLOURS.get(colour)
    return f"\x1b[{code}m{text}\x1b[0m" if wanted and code else text
