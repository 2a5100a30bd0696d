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
from k8s_leader.leases.filewatch import FileWatch, touch


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
    Tell whether touching one file wakes the watch of another within 20 s.
    """
    with FileWatch(path) as watch:
        waiting = asyncio.ensure_future(watch.wait())
        await asyncio.sleep(0)
        touch(by)
        await asyncio.wait([waiting], timeout=20)
        return waiting.done()


@pytest.mark.parametrize("platform", ["linux", "darwin"])
async def test_a_touch_wakes_with_inotify_and_without(
    path: Path, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(filewatch, "_LOOK_ANYWAY", 3600.0)
    assert await woken(path, by=path)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
async def test_making_the_file_wakes(
    tmp_path: Path, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(filewatch, "_LOOK_ANYWAY", 3600.0)
    path = tmp_path / "lease.db"
    with FileWatch(path) as watch:
        waiting = asyncio.ensure_future(watch.wait())
        await asyncio.sleep(0)
        path.touch()
        await asyncio.wait([waiting], timeout=20)
        assert waiting.done()


async def test_who_wrote_without_us_is_noticed_when_the_file_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filewatch, "_LOOK_ANYWAY", 3600.0)
    with FileWatch(path) as watch:
        waiting = asyncio.ensure_future(watch.wait())
        await asyncio.sleep(0)
        with path.open("a"):
            await asyncio.sleep(0)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 20)


def test_a_file_that_is_gone_is_touched_by_nobody(tmp_path: Path) -> None:
    touch(tmp_path / "absent")
    assert not list(tmp_path.iterdir())


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
