"""
The command line of the bench: run, or render an earlier result.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.candidates import KINDS
from bench.machine import machine, versions
from bench.report import markdown, summary, text
from bench.scenarios import Scenarios
from tests.helpers.cluster import ApiServer
from tests.helpers.go_build import CLUSTER, PEERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.candidates import Kind

DEFAULT_FILE = Path("bench") / "result.json"


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run what the command line says and return the exit status.
    """
    options = _parse(argv)
    if options.what == "render":
        print(markdown(json.loads(options.file.read_text())), end="")
        return 0
    for program in (CLUSTER, PEERS):
        program.build(progress=_say)
    with ApiServer(CLUSTER.build(), audit=True, durable=True) as api:
        result = _measure(api, options)
    options.file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(text(result))
    print(f"\nwritten to {options.file}")
    failed = [name for name, figures in result["kinds"].items() if figures["errors"]]
    for name in failed:
        print(f"{name}: {result['kinds'][name]['errors']}", file=sys.stderr)
    return 1 if failed else 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["run", "render"], default="run")
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT_FILE)
    parser.add_argument(
        "--only", action="append", choices=list(KINDS), help="may be repeated"
    )
    parser.add_argument(
        "--rounds", type=int, default=40, help="SIGTERM rounds of those that release"
    )
    parser.add_argument("--kill-rounds", type=int, default=10)
    parser.add_argument("--start-rounds", type=int, default=10)
    parser.add_argument("--idle-seconds", type=float, default=120.0)
    parser.add_argument("--quick", action="store_true", help="a minute, rough figures")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.kill_rounds, options.start_rounds = 5, 3, 3
        options.idle_seconds = 30.0
    return options


def _measure(api: ApiServer, options: argparse.Namespace) -> dict[str, Any]:
    kinds = [KINDS[name] for name in options.only or KINDS]
    figures: dict[str, dict[str, Any]] = {kind.name: {"errors": []} for kind in kinds}
    scenarios = Scenarios(api, say=_say)
    for kind in kinds:
        _guarded(figures[kind.name], _start, scenarios, kind, options)
        _guarded(figures[kind.name], _sigterm, scenarios, kind, options)
    # These take seconds and are measured in seconds: all kinds at once.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for step in (_sigkill, _idle):
            _say(f"{step.__name__.lstrip('_')}: all at once")
            jobs = [
                pool.submit(
                    _guarded, figures[kind.name], step, scenarios, kind, options
                )
                for kind in kinds
            ]
            concurrent.futures.wait(jobs)
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "options": {"rounds": options.rounds, "quick": options.quick},
        "kinds": figures,
    }


def _guarded(
    figures: dict[str, Any],
    step: Any,
    scenarios: Scenarios,
    kind: Kind,
    options: argparse.Namespace,
) -> None:
    # One elector that cannot be measured must not take the others' figures along.
    try:
        figures.update(step(scenarios, kind, options))
    except (OSError, RuntimeError) as error:
        figures["errors"].append(f"{step.__name__.lstrip('_')}: {error}")


def _start(
    scenarios: Scenarios, kind: Kind, options: argparse.Namespace
) -> dict[str, Any]:
    _say(f"{kind.name}: start to first workload")
    return {"start": summary(scenarios.start(kind, rounds=options.start_rounds))}


def _sigterm(
    scenarios: Scenarios, kind: Kind, options: argparse.Namespace
) -> dict[str, Any]:
    rounds = options.rounds if kind.releases else options.kill_rounds
    # Ours takes milliseconds and is measured alone; the others poll for seconds.
    lanes = {"ours": 1, "client-go": 4}.get(kind.name, rounds)
    _say(f"{kind.name}: {rounds} hand-overs after SIGTERM")
    samples = scenarios.sigterm(kind, rounds=rounds, lanes=min(lanes, rounds))
    return {
        "sigterm": summary(samples.next_workload),
        "until_released": summary(samples.until_released),
        "released_to_acquired": summary(samples.released_to_acquired),
    }


def _sigkill(
    scenarios: Scenarios, kind: Kind, options: argparse.Namespace
) -> dict[str, Any]:
    return {"sigkill": summary(scenarios.sigkill(kind, rounds=options.kill_rounds))}


def _idle(
    scenarios: Scenarios, kind: Kind, options: argparse.Namespace
) -> dict[str, Any]:
    idle = scenarios.idle(kind, seconds=options.idle_seconds)
    return {
        "idle": {
            "seconds": idle.seconds,
            "leader_requests": idle.leader_requests,
            "standby_requests": idle.standby_requests,
            "leader_memory": idle.leader_memory,
            "standby_memory": idle.standby_memory,
        }
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
