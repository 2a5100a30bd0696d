"""
A few rounds of the fuzz run; ``python -m tests.integration.guard.fuzz`` plays many.
"""

from __future__ import annotations

import random

from tests.helpers.rings import note
from tests.integration.guard.fuzz import run

ROUNDS = 16


def test_random_signals_at_random_instants_break_no_promise() -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # shown when the test failed
    note(fuzz_rounds=ROUNDS, fuzz_seed=str(seed))
    failed = run(rounds=ROUNDS, seed=seed, jobs=8)
    assert not failed, f"seed {seed}\n" + "\n".join(failed)
