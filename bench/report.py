"""
The pages that tell the figures: docs/figures.md, its plots, and tables elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.electors import TITLES
from bench.figures import shown, value
from bench.part import Part, Row
from bench.parts import PARTS
from bench.plot import Bar, bars

__all__ = ["ALSO", "judged", "page", "plots", "told"]

BEGIN, END = "<!-- figures: make docs -->", "<!-- end of figures -->"
SHOWN = (
    ("sigterm", "next"),
    ("sigkill", "next"),
    ("start", "acquired"),
    ("idle", "leader_requests"),
    ("idle", "standby_requests"),
    ("idle", "standby_rss"),
    ("kind", "deleted_idle"),
    ("kind", "rollout"),
)
"""What the README tells of all electors."""

ALSO = {
    "http.md": tuple(
        ("scrape", key) for key in ("scrape", "used", "answered", "moved", "jitter")
    )
    + tuple(
        ("showing", key)
        for key in ("rss_on", "rss_http", "rss_off", "start_on", "start_off")
    ),
    "kubernetes.md": tuple(
        ("showing", key)
        for key in ("released_label", "released_bare", "next_label", "next_bare")
    ),
}
"""Other pages of docs/ → what they tell."""

PLOTS = {
    "sigterm": ("next", "SIGTERM of the leader until the next workload runs"),
    "sigkill": ("next", "SIGKILL of the leader until the next workload runs"),
    "idle": ("standby_rss", "memory of a standby"),
    "starved": ("late", "renewals later than due, on a starved machine"),
}
"""Part → the row that is drawn, and the title."""

HEAD = """\
# Figures

<!-- Written by docs/write_figures.py: make docs -->

`python -m bench` in the development environment measures all of this again, `--list`
says how, `--show` repeats the last results. Every elector of a part is measured in one
run on one real kube-apiserver with etcd on the same machine (kind: on one cluster),
each with its own defaults (lease duration 15 s). A cell shows median / 99th percentile
/ maximum, and the number of samples in brackets; where there are a thousand of them or
more, the 99.9th percentile comes before the maximum. The goals are k8s-leader's: "≤" is
for the median, "never over" for the maximum, "missed" is what was not reached. A plus
after a commit: something in the tree was changed; up to 1428d33 that was also said when
it was only the results of the parts before.
"""


def page(results: Mapping[str, Any]) -> str:
    """
    Return docs/figures.md.
    """
    measured = [part for part in PARTS.values() if part.name in results]
    sections = [HEAD, *("".join(_section(p, results[p.name])) for p in measured)]
    missing = [name for name in PARTS if name not in results]
    if missing:
        sections.append(f"Not measured yet: {', '.join(missing)}.\n")
    return "\n".join(sections)


def told(
    text: str,
    results: Mapping[str, Any],
    *,
    rows: Sequence[tuple[str, str]] = SHOWN,
) -> str:
    """
    Return a page with the newest figures between its two marks.

    Args:
        text: the page; the README, by default.
        results: of the bench.
        rows: which, each by its part and key.
    """
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_summary(results, rows)}{END}{after}"


def plots(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """
    Yield the plots: the name of each file beside the page, and its SVG.
    """
    for name, (key, title) in PLOTS.items():
        if name in results:
            yield f"figures-{name}.svg", _plot(name, key, title, results[name])


def _summary(results: Mapping[str, Any], asked: Sequence[tuple[str, str]]) -> str:
    rows = [
        (PARTS[name], row, results[name]["figures"])
        for name, key in asked
        if name in results
        for row in PARTS[name].rows
        if row.key == key
    ]
    if not rows:
        return "Nothing was measured yet.\n"
    electors = [
        e for e in TITLES if e != "floor" and any(e in found for _, _, found in rows)
    ]
    lines = [_line("median / longest", *(TITLES[e] for e in electors))]
    lines.append(_line(*["---"] * (1 + len(electors))))
    for _, row, found in rows:
        cells = (_short(found.get(e, {}).get(row.key, {}), row) for e in electors)
        lines.append(_line(row.what, *cells))
    measured = {name: results[name] for name, _ in asked if name in results}
    return "".join([*lines, "\n", _where_each(measured)])


def _section(part: Part, result: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {part.name}\n\n{part.about}\n\n"
    electors = [name for name in TITLES if name in result["figures"]]
    yield _line("", *(TITLES[name] for name in electors), "goal")
    yield _line(*["---"] * (2 + len(electors)))
    for row in part.rows:
        cells = [
            shown(result["figures"][name].get(row.key, {}), row.unit)
            for name in electors
        ]
        yield _line(row.what, *cells, judged(row, result["figures"].get("ours", {})))
    yield "\n"
    if part.name in PLOTS:
        yield f"![{PLOTS[part.name][1]}](figures-{part.name}.svg)\n\n"
    yield _where(result)


def _short(figure: Mapping[str, Any], row: Row) -> str:
    if not figure.get("n"):
        return "–"
    spelled = value(figure["p50"], row.unit)
    longest = value(figure["max"], row.unit)
    return spelled if figure["n"] == 1 else f"{spelled} / {longest}"


def _goal(row: Row) -> str:
    goals = []
    if row.goal is not None:
        goals.append(f"≤ {value(row.goal, row.unit)}")
    if row.limit is not None:
        goals.append(f"never over {value(row.limit, row.unit)}")
    return ", ".join(goals)


def judged(row: Row, ours: Mapping[str, Any]) -> str:
    """
    Return the goal of a row, and say so when ours missed it.
    """
    figure = ours.get(row.key, {})
    missed = figure.get("n") and (
        (row.goal is not None and figure["p50"] > row.goal)
        or (row.limit is not None and figure["max"] > row.limit)
    )
    return f"{_goal(row)} (missed)" if missed else _goal(row)


def _where(result: Mapping[str, Any]) -> str:
    return f"Measured {_when(result)} on {_on(result)}.\n"


def _where_each(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """
    Return the same of several parts, each of which has a day and a commit of its own.
    """
    parts: dict[str, list[str]] = {}
    for name, result in measured.items():
        parts.setdefault(_on(result), []).append(f"{name} {_when(result)}")
    return (
        " ".join(
            f"Measured on {machine}: {'; '.join(each)}."
            for machine, each in parts.items()
        )
        + "\n"
    )


def _when(result: Mapping[str, Any]) -> str:
    load = f"load {result['load_before']} before it"
    return f"{_date(result)[:10]} at {result['commit']} ({load})"


def _on(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in result["versions"].items())
    return (
        f"{machine['cpu']} ({machine['cores']} cores, {machine['memory_gb']} GB), "
        f"{machine['system']}; {versions}"
    )


def _date(result: Mapping[str, Any]) -> str:
    return str(result["date"])


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def _plot(name: str, key: str, title: str, result: Mapping[str, Any]) -> str:
    row = next(row for row in PARTS[name].rows if row.key == key)
    found = {e: figures.get(key, {}) for e, figures in result["figures"].items()}
    drawn = [
        Bar(
            name=TITLES[elector],
            median=figure["p50"],
            longest=figure["max"],
            label=_short(figure, row),
        )
        for elector, figure in found.items()
        if figure.get("n")
    ]
    return bars(title, drawn)
