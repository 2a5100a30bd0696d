"""
Every rule of the design has a planted fault, and every planted fault is found.

Those of the simulation are found in tests/simulation/test_planted_faults.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.rings import note
from tests.mutations.run import ROOT, is_found, passes_unharmed
from tests.mutations.table import MUTATIONS, Mutation
from tests.simulation.planted import PLANTED

RULES = {f"S{number}" for number in range(1, 20)}

MISTAKES_OF_PEERS = {
    "clocks read at the reply": "A grant counts from the reply, not from the request",
    "wall clocks": "Deadlines are counted on the wall clock, which jumps",
    "arithmetic on renewTime": "Expiry is another machine's renewTime plus the "
    "duration, on one's own wall clock",
    "terms resumed in silence": "A lost lease is taken again and the workload is not "
    "told, as client-go does",
    "release before death": "The lease is released as soon as the workload was told "
    "to stop",
    "a rival's record blanked": "Whatever the record says when it is read is "
    "released, as client-go does",
    "a foreign holder ignored": "Another holder in the record is ignored until the "
    "deadline, as client-go does",
    "prefixes compared": "Identities are compared by their beginning",
    "writes retried by the transport": "The transport sends a write again whose answer "
    "was an error",
    "an unmarked blank taken at once": "A record that was blanked without a marker is "
    "taken at once",
    "stale grants after a freeze": "A guard that stood still counts a grant from when "
    "it reads of it",
    "a second elector": "A new elector is started while the old one lives",
    "a missing duration counts as expired": "A holder whose duration is missing has "
    "expired, as in client-go",
    "cached reads": "Reads are answered from a cache (resourceVersion=0) that lags "
    "behind",
    "renewals within one second": "A renewal moves renewTime within the same second, "
    "which client-go does not see",
}
"""What other electors of this field do wrong, and the planted fault that is it."""


def test_every_rule_has_a_planted_fault() -> None:
    planted = {each.rule for each in PLANTED} | {each.rule for each in MUTATIONS}
    assert planted - {"liveness"} == RULES


def test_every_mistake_of_a_peer_is_planted() -> None:
    assert set(MISTAKES_OF_PEERS.values()) <= {each.name for each in PLANTED}


@pytest.mark.slow
@pytest.mark.timeout(320)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_a_mutation_is_found(mutation: Mutation, tmp_path: Path) -> None:
    found, said = is_found(mutation, tmp_path / "copy")
    assert found, f"{mutation.rule}: nothing failed of {mutation.name!r}\n{said}"
    note(mutations=1)


@pytest.mark.slow
@pytest.mark.timeout(320)
def test_without_a_mutation_the_same_tests_pass(tmp_path: Path) -> None:
    tests = dict.fromkeys(test for each in MUTATIONS for test in each.tests)
    passed, said = passes_unharmed(tests, tmp_path / "copy")
    assert passed, said


def test_a_mutation_changes_what_is_there() -> None:
    for mutation in MUTATIONS:
        text = (ROOT / mutation.file).read_text()
        assert text.count(mutation.before) == 1, mutation.name
