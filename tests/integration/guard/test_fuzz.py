"""
A few rounds of the fuzz run; ``python -m tests.integration.guard.fuzz`` plays many.
"""

from __future__ import annotations

import random

from tests.integration.guard.fuzz import run


def test_random_signals_at_random_instants_break_no_promise() -> None:
    seed = random.randrange(10**6)
    failed = run(rounds=16, seed=seed, jobs=8)
    assert not failed, f"seed {seed}\n" + "\n".join(failed)
