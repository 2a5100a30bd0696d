"""
Random signals at random instants to guard, elector and workload.

``python -m tests.integration.guard.fuzz --rounds 1000 --seed 7`` runs many rounds and
tells which failed; the same seed plays the same events. Every tenth round is two real
candidates on one SQLite lease, the others one guard with a scripted elector. A round
fails when the exit status is not what happened, something is left alive, a workload
wrote after its grant's end or while another wrote, or a lease is kept by the living.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.guard.fuzz_real import RealRound
from tests.integration.guard.fuzz_scripted import ScriptedRound

__all__ = ["main", "run"]

_EVERY = 10


def run(*, rounds: int, seed: int, jobs: int) -> list[str]:
    """
    Run the rounds; return a line for each that failed.
    """
    with ThreadPoolExecutor(jobs) as pool:
        seeds = [f"{seed}.{number}" for number in range(rounds)]
        return [line for line in pool.map(_play, seeds) if line]


def _play(seed: str) -> str:
    chance = random.Random(seed)
    is_real = int(seed.rpartition(".")[2]) % _EVERY == 0
    kind = RealRound if is_real else ScriptedRound
    with tempfile.TemporaryDirectory(prefix="guard-fuzz-") as folder:
        played = kind(chance, Path(folder))
        try:
            played.play()
        except AssertionError as exc:
            return f"round {seed} ({kind.__name__}): {exc}\n{played.report()}"
        finally:
            played.close()
    return ""


def main() -> int:
    """
    Return 0 when every round held.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--jobs", type=int, default=6)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)  # noqa: T201
    began = time.monotonic()
    failed = run(rounds=options.rounds, seed=options.seed, jobs=options.jobs)
    for line in failed:
        print(line)  # noqa: T201
    took = time.monotonic() - began
    print(f"{options.rounds} rounds in {took:.0f} s, {len(failed)} failed")  # noqa: T201
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
