"""
The whole command on a real lease: two candidates, real processes, real signals.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.helpers.measured import command

ROOT = Path(__file__).resolve().parents[3]
SAY = "echo leading $LEADER_FENCING_TOKEN $LEADER_IDENTITY; exec sleep 60"


class Candidate:
    """
    One ``k8s-leader run``; tells what its command said.
    """

    def __init__(self, folder: Path, script: str, *flags: str) -> None:
        lease = f"sqlite:{folder / 'lease.db'}"
        words = ("run", "--lease", lease, *flags, "--", "sh", "-c", script)
        self._process = subprocess.Popen(
            command(folder, *words),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> list[str]:
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()

    def stop(self) -> None:
        os.kill(self._process.pid, signal.SIGTERM)

    def end(self) -> tuple[int, str]:
        _, err = self._process.communicate(timeout=60)
        return self._process.returncode, err

    def clean_up(self) -> None:
        if self._process.poll() is None:
            self.stop()
        self._process.communicate(timeout=60)


@pytest.mark.slow
def test_one_leads_and_the_other_takes_over_with_a_higher_token(
    tmp_path: Path,
) -> None:
    first = Candidate(tmp_path, SAY)
    candidates = [first]
    try:
        _, token, identity = first.line()
        candidates.append(Candidate(tmp_path, SAY))
        first.stop()
        assert first.end()[0] == 128 + signal.SIGTERM
        _, next_token, next_identity = candidates[1].line()
        assert int(next_token) > int(token)
        assert next_identity != identity
        candidates[1].stop()
        assert candidates[1].end()[0] == 128 + signal.SIGTERM
    finally:
        for candidate in candidates:
            candidate.clean_up()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "flags", "status"),
    [
        ("exit 7", (), 7),
        ("exit 0", (), 0),
        ("exit 143", ("--success-exit-codes", "143"), 0),
        ("kill -KILL $$", (), 137),
    ],
)
def test_the_command_decides_the_exit_code(
    tmp_path: Path, script: str, flags: tuple[str, ...], status: int
) -> None:
    candidate = Candidate(tmp_path, script, *flags)
    try:
        code, err = candidate.end()
        assert code == status, err
    finally:
        candidate.clean_up()


@pytest.mark.slow
def test_waiting_has_an_end_when_it_is_given_one(tmp_path: Path) -> None:
    leader = Candidate(tmp_path, SAY)
    candidates = [leader]
    try:
        assert leader.line()[0] == "leading"
        candidates.append(Candidate(tmp_path, "exit 9", "--wait-timeout", "300ms"))
        code, err = candidates[1].end()
        assert code == 75, err
    finally:
        for candidate in candidates:
            candidate.clean_up()
