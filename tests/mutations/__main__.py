"""
Plant every fault and see it found: ``python -m tests.mutations``.

First those of the table here, then those of the simulation.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

from tests.mutations.run import is_found
from tests.mutations.table import MUTATIONS
from tests.simulation.planted import PLANTED
from tests.simulation.test_planted_faults import first_to_find


def main() -> int:
    """
    Return 0 when every planted fault was found.
    """
    missed = 0
    for mutation in MUTATIONS:
        with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
            found, said = is_found(mutation, Path(folder))
        missed += _tell(mutation.rule, mutation.name, found=found)
        if not found:
            print(said)
    logging.getLogger("k8s_leader").setLevel(logging.CRITICAL + 1)
    for planted in PLANTED:
        plan = first_to_find(planted)
        missed += _tell(planted.rule, planted.name, found=plan is not None)
    print(f"{len(MUTATIONS) + len(PLANTED)} planted, {missed} not found")
    return int(missed > 0)


def _tell(rule: str, name: str, *, found: bool) -> bool:
    print(f"{'found ' if found else 'MISSED'}  {rule:8} {name}", flush=True)
    return not found


if __name__ == "__main__":
    sys.exit(main())
