"""
A SQLite file that is locked, odd, remote, or slow to be written.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import LeaseUnavailableError, SettingsError
from k8s_leader.leases import filewatch, sqlite
from k8s_leader.leases.port import Sighting, closing
from k8s_leader.leases.sqlite import SqliteStore, glance

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:45 / /mnt/my\\040share rw - nfs4 server:/export rw
41 40 0:46 / /mnt/my\\040share/local rw - tmpfs tmpfs rw
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lease.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path, name="job", timeout=0.01)
    yield made
    await made.close()


@contextlib.contextmanager
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """
    Open the file as somebody else does.
    """
    database = sqlite3.connect(path, isolation_level=None)
    try:
        yield database
    finally:
        database.close()


async def test_a_file_that_stays_locked_is_an_outage(
    path: Path, store: SqliteStore
) -> None:
    stored = await store.create(Record())
    with other(path) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(LeaseUnavailableError, match="locked"):
            await store.replace(stored, Record(holder="a"))
    await store.replace(stored, Record(holder="a"))


async def test_a_file_that_is_locked_at_the_start_is_an_outage_too(path: Path) -> None:
    with other(path) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LeaseUnavailableError, match="locked"):
            SqliteStore(path, name="job", timeout=0.01)


@pytest.mark.parametrize(
    "made",
    [
        "CREATE VIEW lease AS SELECT 1",
        "CREATE TABLE lease (name TEXT, until REAL)",
        "CREATE TABLE counter (one INTEGER)",
    ],
)
async def test_a_database_that_has_a_lease_of_its_own_is_refused(
    path: Path, made: str
) -> None:
    with other(path) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute(made)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="another program's"):
        SqliteStore(path, name="job", timeout=0.01)
    assert path.read_bytes() == before


async def test_a_watch_that_cannot_read_is_blind_until_it_can(
    path: Path, store: SqliteStore
) -> None:
    stored = await store.create(Record())
    watch = store.watch()
    assert (await anext(watch)).stored == stored
    with other(path) as database:
        database.execute("ALTER TABLE lease RENAME TO hidden")
        assert await asyncio.wait_for(anext(watch), 20) == Sighting(blind=True)
        database.execute("ALTER TABLE hidden RENAME TO lease")
        assert (await asyncio.wait_for(anext(watch), 20)).stored == stored
    await watch.aclose()  # type: ignore[attr-defined]  # it is a generator


class Hint:
    """
    Stands for the watch of the file: the test says when it is woken.
    """

    woken: asyncio.Event

    def __init__(self, _: Path) -> None:
        type(self).woken = asyncio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def wait(self) -> None:
        await self.woken.wait()
        self.woken.clear()


async def test_a_write_is_seen_by_one_look_after_it_was_committed(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filewatch, "_LOOK_ANYWAY", 3600.0)
    stored = await store.create(Record())
    looks = 0

    class Counting(SqliteStore):
        async def read(self) -> Stored | None:
            nonlocal looks
            looks += 1
            return await super().read()

    standby = Counting(path, name="job", timeout=1.0)
    watch = standby.watch()
    assert (await anext(watch)).stored == stored
    for round_ in range(20):
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        stored = await store.replace(stored, Record(transitions=round_))
        assert (await asyncio.wait_for(waiting, 20)).stored == stored
    assert looks <= 22  # SQLite's own traces would cost several each
    await watch.aclose()  # type: ignore[attr-defined]  # it is a generator
    await standby.close()


async def test_a_watch_that_was_woken_for_nothing_waits_again(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "FileWatch", Hint)
    stored = await store.create(Record())
    watch = store.watch()
    assert (await anext(watch)).stored == stored
    Hint.woken.set()
    waiting = asyncio.ensure_future(anext(watch))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    written = await store.replace(stored, Record(holder="a"))
    Hint.woken.set()
    assert (await asyncio.wait_for(waiting, 20)).stored == written
    await watch.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_database_that_is_broken_behind_its_header_is_refused(
    path: Path,
) -> None:
    with other(path) as database:
        database.execute("CREATE TABLE x (y)")
        database.execute("PRAGMA journal_mode = DELETE")
    path.write_bytes(path.read_bytes()[:100] + bytes(range(256)) * 31)
    with pytest.raises(SettingsError, match="not a SQLite database"):
        SqliteStore(path, name="job", timeout=0.01)


async def test_a_glance_sees_the_record_and_writes_nothing(
    path: Path, store: SqliteStore
) -> None:
    assert glance(path, name="job") is None
    stored = await store.create(Record(holder="a"))
    before = path.read_bytes()
    assert glance(path, name="job") == stored
    assert glance(path, name="other") is None
    assert path.read_bytes() == before


def test_a_glance_at_what_holds_no_lease_makes_none(path: Path) -> None:
    assert glance(path, name="job") is None
    assert not path.exists()
    with other(path) as database:
        database.execute("CREATE TABLE x (y)")
    assert glance(path, name="job") is None


def test_a_glance_says_what_is_wrong_with_a_file(path: Path) -> None:
    path.write_text("this is no database, but long enough to be one")
    with pytest.raises(SettingsError, match="not a SQLite database"):
        glance(path, name="job")


def test_a_glance_at_a_locked_file_is_an_outage(path: Path) -> None:
    with other(path) as database:
        database.execute("CREATE TABLE x (y)")
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LeaseUnavailableError, match="locked"):
            glance(path, name="job")


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/srv", "ext4"), ("/mnt/my share", "nfs4"), ("/mnt/my share/local/x", "tmpfs")],
)
def test_the_innermost_mount_tells_the_file_system(
    tmp_path: Path, folder: str, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert sqlite._file_system(Path(folder), mounts=mounts) == kind


def test_where_mounts_are_not_told_nothing_is_refused(tmp_path: Path) -> None:
    assert sqlite._file_system(Path("/"), mounts=tmp_path / "absent") == ""


def test_a_network_file_system_is_refused_with_what_to_use(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_file_system", lambda _: "nfs4")
    with pytest.raises(SettingsError, match=r"nfs4.*Kubernetes Lease"):
        SqliteStore(path, name="job", timeout=0.01)


async def test_a_file_that_the_system_does_not_open_is_a_settings_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(SettingsError, match="unable to open database file"):
        await SqliteStore(path, name="job", timeout=0.01).read()


class Counted:
    """
    An iterator of events that has nothing to close.
    """

    def __init__(self) -> None:
        self._next = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        self._next += 1
        return self._next


async def test_an_iterator_that_cannot_be_closed_is_lent_all_the_same() -> None:
    async with closing(Counted()) as events:
        assert await anext(events) == 1
