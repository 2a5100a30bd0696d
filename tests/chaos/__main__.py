"""
Run it: ``python -m tests.chaos --minutes 20 --candidates 5 --seed 7``.

Everything happens in a process namespace of its own, so that nothing outlives the run,
however it ends. The result is JSON on stdout (and in ``--json FILE``) and names the
commit; the exit status is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.campaign import Settings, run
from tests.chaos.nemesis import FAULTS
from tests.simulation.recorded_run import sources

_INSIDE = "CHAOS_INSIDE"


def main() -> int:
    """
    Return 0 when every promise held.
    """
    given = _parse()
    if os.environ.get(_INSIDE) != "1":
        _enter_namespace()
    folder = Path(tempfile.mkdtemp(prefix="k8s-leader-chaos-"))
    try:
        played = run(_settings(given, folder), say=_say)
        result = {"commit": sources()["commit"], **played.as_json()}
        text = json.dumps(result, indent=2)
        print(text)
        if given.json:
            given.json.write_text(text + "\n")
        broken = bool(played.verdict.broken)
        if broken and given.keep:
            shutil.copytree(folder, given.keep, dirs_exist_ok=True)
        return int(broken)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--candidates", type=int, default=4, help="2 to 50 of ours")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--lease", type=float, default=8.0, help="seconds")
    parser.add_argument("--client-go", type=int, default=0, help="peers beside ours")
    parser.add_argument("--asyncio", type=int, default=0, help="the same")
    parser.add_argument("--faults", nargs="*", choices=sorted(FAULTS), default=())
    parser.add_argument("--least", type=int, default=0, help="at least so many faults")
    parser.add_argument("--json", type=Path, help="write the result here, too")
    parser.add_argument("--keep", type=Path, help="where logs of a failed run go")
    given = parser.parse_args()
    if not 2 <= given.candidates <= 50:
        parser.error("--candidates: 2 to 50")
    return given


def _settings(given: argparse.Namespace, folder: Path) -> Settings:
    return Settings(
        seconds=60 * given.minutes,
        candidates=given.candidates,
        seed=given.seed,
        lease_duration=given.lease,
        client_go=given.client_go,
        asyncio_peers=given.asyncio,
        folder=folder,
        least_faults=given.least,
        kinds=tuple(given.faults),
    )


def _enter_namespace() -> None:
    """
    Start this program again as the first process's child of a namespace of its own.
    """
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        argv.insert(1, "--map-root-user")
    argv += [sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
    os.execvpe(argv[0], argv, {**os.environ, _INSIDE: "1"})


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
