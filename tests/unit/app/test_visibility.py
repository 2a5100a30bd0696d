"""
What the status says of a candidate's ties to its guard.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from k8s_leader.app.visibility import tie_of

if TYPE_CHECKING:
    from pathlib import Path


def test_with_pid_1_its_whole_namespace_ends() -> None:
    assert tie_of(1, None) == "pid namespace"


def test_a_cgroup_counts_only_when_the_guard_lives_in_it(tmp_path: Path) -> None:
    assert tie_of(4711, str(tmp_path / "gone")) == "best effort"
    (tmp_path / "cgroup.procs").write_text("47\n")
    assert tie_of(4711, str(tmp_path)) == "best effort"
    (tmp_path / "cgroup.procs").write_text("47\n4711\n")
    assert tie_of(4711, str(tmp_path)) == "cgroup"


def test_without_either_it_is_best_effort() -> None:
    assert tie_of(os.getpid(), None) == "best effort"
