"""
Being woken by another process's write, with inotify and without.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8s_leader.leases import filewatch
from k8s_leader.leases.filewatch import FileWatch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "lease.db"
    found.write_text("1")
    return found


@contextlib.contextmanager
def out_of_descriptors() -> Iterator[None]:
    """
    Let the process be as when inotify's limit is reached.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def woken(path: Path, *, by: Path) -> bool:
    """
    Tell whether a write to one file wakes the watch of another within 20 s.
    """
    with FileWatch(path) as watch:
        waiting = asyncio.ensure_future(watch.wait())
        await asyncio.sleep(0)
        by.write_text("something longer")
        await asyncio.wait([waiting], timeout=20)
        return waiting.done()


@pytest.mark.parametrize("name", ["lease.db", "lease.db-wal"])
async def test_a_write_to_the_file_or_beside_it_wakes(
    path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filewatch, "_LOOK_ANYWAY", 3600.0)
    assert await woken(path, by=path.with_name(name))


@pytest.mark.parametrize("name", ["lease.db", "lease.db-wal"])
async def test_where_there_is_no_inotify_time_stamps_are_looked_at(
    path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(filewatch, "_LOOK_ANYWAY", 3600.0)
    assert await woken(path, by=path.with_name(name))


@pytest.mark.parametrize("platform", ["linux", "darwin"])
async def test_without_a_write_the_truth_is_looked_at_anyway(
    path: Path, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(filewatch, "_LOOK_ANYWAY", 0.04)
    assert await woken(path, by=path.with_name("unrelated"))


def test_out_of_descriptors_there_is_no_inotify(path: Path) -> None:
    with out_of_descriptors():
        descriptor = filewatch._inotify(path.parent)
    assert descriptor is None


def test_a_folder_that_is_gone_is_not_watched(tmp_path: Path) -> None:
    assert filewatch._inotify(tmp_path / "absent") is None
