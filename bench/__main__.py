"""
The command line of the bench: ``python -m bench [PART ...]``.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from collections.abc import Sequence
from typing import Any

from bench.electors import TITLES
from bench.figures import FILE, load, merge, shown, summary
from bench.lab import Lab
from bench.machine import commit, machine, versions
from bench.part import Part
from bench.parts import PARTS


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run what the command line says and return the exit status.
    """
    options = _parse(argv)
    if options.list:
        for part in PARTS.values():
            print(f"{part.name:10} {part.about}")
        return 0
    parts = [PARTS[name] for name in options.parts or PARTS]
    results = load()
    if not options.show:
        with Lab(quick=options.quick) as lab:
            results = {p.name: _run(p, lab, rounds=options.rounds) for p in parts}
    for part in parts:
        if part.name in results:
            print(_text(part, results[part.name]))
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"Measures the parts named, or all; merges them into {FILE.name}.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="see --list")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--show", action="store_true", help="show the last results")
    parser.add_argument(
        "--quick", action="store_true", help="few rounds; nothing is kept"
    )
    parser.add_argument("--rounds", type=int, help="instead of each part's own number")
    options = parser.parse_args(argv)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))} (see --list)")
    return options


def _run(part: Part, lab: Lab, *, rounds: int | None) -> dict[str, Any]:
    lab.rounds = rounds or part.rounds[lab.quick]
    print(f"{part.name}: {lab.rounds} rounds", file=sys.stderr)
    began = datetime.datetime.now(datetime.UTC)
    load_before = os.getloadavg()[0]
    samples = part.measure(lab)
    result = {
        "date": began.isoformat(timespec="minutes"),
        "commit": commit(),
        "load_before": round(load_before, 1),
        "machine": machine(),
        "versions": versions(),
        "figures": {
            elector: {key: summary(found) for key, found in rows.items()}
            for elector, rows in samples.items()
        },
    }
    if not lab.quick:
        merge(part.name, result)
    return result


def _text(part: Part, result: dict[str, Any]) -> str:
    figures = result["figures"]
    lines = [f"{part.name} ({result['date']}, {result['commit']})"]
    for row in part.rows:
        lines.append(f"  {row.what}")
        lines += [
            f"    {TITLES[elector]:20} {shown(found[row.key], row.unit)}"
            for elector, found in figures.items()
            if row.key in found
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
