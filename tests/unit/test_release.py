"""
The version is found without the library that is made for it.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from k8s_leader.release import installed_version
from tests.helpers.fresh import answer_of


def test_the_version_is_that_of_the_metadata_and_cheap() -> None:
    found = answer_of(
        "import json, sys; from k8s_leader.release import installed_version as v\n"
        "version, dear = v(), 'importlib.metadata' in sys.modules\n"
        "print(json.dumps({'version': version, 'dear': dear}))"
    )
    assert found == {"version": version("k8s-leader"), "dear": False}


def test_the_first_folder_of_the_path_that_has_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, name in [("a", "k8s_leader-7.0.0.dist-info"), ("b", "k8s_leader-8")]:
        (tmp_path / folder / name).mkdir(parents=True)
    path = ["/nowhere", str(tmp_path / "b"), str(tmp_path / "a"), *sys.path]
    monkeypatch.setattr(sys, "path", path)
    assert installed_version() == "7.0.0"


def test_a_bare_checkout_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), os.devnull])
    assert installed_version() is None
