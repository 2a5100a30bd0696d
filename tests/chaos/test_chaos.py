"""
Half a minute of chaos with a fixed seed; longer runs are a command of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.nemesis import FAULTS, OUTSIDE, PEER_FAULTS
from tests.helpers.rings import note

pytestmark = [pytest.mark.kube, pytest.mark.slow]

SEED = 20261128


@pytest.mark.timeout(300)
def test_half_a_minute_of_chaos_breaks_no_promise(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    argv = [sys.executable, "-m", "tests.chaos", "--json", str(file)]
    argv += ["--minutes", "0.4", "--least", "4", "--candidates", "3", "--lease", "8"]
    argv += ["--seed", str(SEED), "--keep", str(tmp_path / "kept")]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    run = subprocess.run(
        argv, capture_output=True, text=True, timeout=280, check=False, env=environ
    )
    assert file.exists(), run.stderr
    result = json.loads(file.read_text())
    note(
        chaos_faults=result["faults_total"],
        chaos_terms=result["terms_of_ours"],
        chaos_seed=str(SEED),
    )
    assert result["broken"] == []
    assert run.returncode == 0
    # A run in which nothing went wrong or nobody worked proves nothing.
    assert result["faults_total"] >= 4
    assert result["terms_of_ours"] >= 1
    assert result["beats"] >= 200
    assert result["record_states"] >= 5


def test_every_fault_is_either_inside_or_outside_the_assumptions() -> None:
    assert set(OUTSIDE) < set(FAULTS)
    assert set(PEER_FAULTS) < set(FAULTS)
