"""
The SQLite store: a lease shared by the processes of one machine.

Each write is one autocommitted compare-and-swap statement, so a SIGKILL at any
instant leaves either the old record or the new one. The version grows with every
write to the file, also when a lease is deleted and made again (rule S17).

Not guaranteed, and refused where it can be seen: a file on a network file system.
SQLite's locks do not hold there, and two machines would both lead.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from k8s_leader.election.record import Record, Stored
from k8s_leader.errors import (
    LeaseConflictError,
    LeaseMalformedError,
    LeaseUnavailableError,
    SettingsError,
)
from k8s_leader.leases.filewatch import FileWatch, touch
from k8s_leader.leases.port import Sighting
from k8s_leader.settings.names import check_sqlite_path

__all__ = ["SqliteStore", "glance"]

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (
    name TEXT PRIMARY KEY, uid TEXT NOT NULL, version INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS counter (
    one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO counter VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS counted_insert AFTER INSERT ON lease
    BEGIN UPDATE counter SET version = NEW.version; END;
CREATE TRIGGER IF NOT EXISTS counted_update AFTER UPDATE ON lease
    BEGIN UPDATE counter SET version = NEW.version; END;
"""

_COLUMNS = {
    "lease": ["name", "uid", "version", "record"],
    "counter": ["one", "version"],
}
_NEXT = "(SELECT version + 1 FROM counter)"
_READ = "SELECT uid, version, record FROM lease WHERE name = ?"
_CREATE = (
    f"INSERT INTO lease VALUES (?, ?, {_NEXT}, ?) "  # noqa: S608  # a constant
    "ON CONFLICT DO NOTHING RETURNING uid, version, record"
)
_REPLACE = (
    f"UPDATE lease SET version = {_NEXT}, record = ? "  # noqa: S608  # a constant
    "WHERE name = ? AND uid = ? AND version = ? RETURNING uid, version, record"
)

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre"),
        *("gfs2", "ocfs2", "virtiofs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph"),
    }
)


class SqliteStore:
    """
    The record store over one row of a SQLite file.

    Args:
        path: the file; made if it is absent, its folder is not.
        name: which lease of the file, so that one file can hold several.
        timeout: how long to wait for another process's lock, in seconds.

    Raises:
        SettingsError: the folder is missing or not writable, the file is not a
            SQLite database or another program's, or it lies on a network file system.
    """

    def __init__(self, path: str | Path, *, name: str, timeout: float) -> None:
        self._path = Path(path).absolute()
        self._name = name
        check_sqlite_path(str(self._path), setting="lease")
        _check_local(self._path)
        # One thread of its own: waiting for a lock never blocks the election's loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="k8s-leader-sqlite")
        self._timeout = timeout
        self._database = self._connect()

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._prepared(
                sqlite3.connect(
                    self._path,
                    timeout=self._timeout,
                    isolation_level=None,
                    check_same_thread=False,
                )
            )
        except sqlite3.OperationalError as exc:
            if "locked" in str(exc) or "busy" in str(exc):
                raise LeaseUnavailableError(f"{self._path}: {exc}") from exc
            raise _unusable(self._path, str(exc)) from exc
        except sqlite3.DatabaseError as exc:
            raise _unusable(self._path, f"not a SQLite database ({exc})") from exc

    def _prepared(self, database: sqlite3.Connection) -> sqlite3.Connection:
        try:
            _check_ours(database, self._path)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
        except (sqlite3.Error, SettingsError):
            database.close()
            raise
        return database

    async def read(self) -> Stored | None:
        """
        Return the row's record; ``None`` if there is no such row.
        """
        row = await self._call(lambda db: db.execute(_READ, (self._name,)).fetchone())
        return None if row is None else _stored(row)

    async def create(self, record: Record) -> Stored:
        """
        Insert the row, or raise ``LeaseConflictError``.
        """
        return await self._write(
            _CREATE, (self._name, str(uuid.uuid4()), _text(record))
        )

    async def replace(self, over: Stored, record: Record) -> Stored:
        """
        Update the row if it still is ``over``, or raise ``LeaseConflictError``.
        """
        return await self._write(
            _REPLACE, (_text(record), self._name, over.uid, over.version)
        )

    async def delete(self) -> None:
        """
        Remove the row, as somebody might by hand; the version goes on growing.
        """
        await self._call(
            lambda db: db.execute("DELETE FROM lease WHERE name = ?", (self._name,))
        )
        touch(self._path)

    async def watch(self) -> AsyncIterator[Sighting]:
        """
        Yield the state now and whenever the file was written to.
        """
        last: Sighting | None = None
        with FileWatch(self._path) as changes:
            while True:
                sighting = await self._look()
                if sighting != last:
                    yield sighting
                    last = sighting
                await changes.wait()

    async def _look(self) -> Sighting:
        try:
            stored = await self.read()
        except LeaseUnavailableError:
            return Sighting(blind=True)
        version = None if stored is None else stored.version
        return Sighting(stored=stored, version=version)

    async def close(self) -> None:
        """
        Close the file; the record stays.
        """
        await self._run(self._database.close)
        self._thread.shutdown(wait=False)

    async def _write(self, statement: str, values: tuple[object, ...]) -> Stored:
        def write(database: sqlite3.Connection) -> tuple[Any, ...] | None:
            row: tuple[Any, ...] | None
            row = database.execute(statement, values).fetchone()  # ends the statement
            if row is not None:
                touch(self._path)
            return row

        row = await self._call(write)
        if row is None:
            raise LeaseConflictError(f"{self._name}: somebody else wrote first")
        return _stored(row)

    async def _call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._run(lambda: work(self._database))
        except sqlite3.Error as exc:
            raise LeaseUnavailableError(f"{self._path}: {exc}") from exc

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def glance(path: str | Path, *, name: str) -> Stored | None:
    """
    Return a lease of a file without ever writing to it; ``None`` if there is none.

    Raises:
        SettingsError: the file is no SQLite database.
        LeaseUnavailableError: it cannot be read now.
    """
    if not Path(path).exists():
        return None
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            row = database.execute(_READ, (name,)).fetchone()
    except sqlite3.OperationalError as exc:
        if "no such table" in str(exc):
            return None
        raise LeaseUnavailableError(f"{path}: {exc}") from exc
    except sqlite3.DatabaseError as exc:
        raise _unusable(Path(path), f"not a SQLite database ({exc})") from exc
    return None if row is None else _stored(row)


def _check_local(path: Path) -> None:
    kind = _file_system(path.parent)
    if kind in _NETWORK:
        raise SettingsError(
            "lease",
            f"sqlite:{path}",
            allowed=f"a file on a local disk (this one is on {kind})",
            fix="SQLite's locks do not hold on network file systems; use a "
            "Kubernetes Lease to elect between machines",
        )


def _check_ours(database: sqlite3.Connection, path: Path) -> None:
    """
    Refuse a file whose tables of our names are another program's, and leave it as is.
    """
    for table, columns in _COLUMNS.items():
        rows = database.execute(f"PRAGMA table_info({table})").fetchall()
        if rows and [row[1] for row in rows] != columns:
            raise _unusable(path, f"the table {table!r} in it is another program's")


def _unusable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        "lease",
        f"sqlite:{path}",
        allowed=f"a SQLite file in a writable folder ({why})",
        fix="name another file, or make its folder writable",
    )


def _file_system(folder: Path, *, mounts: Path = _MOUNTS) -> str:
    """
    Return the type of the file system that holds ``folder``; ``""`` if unknown.
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:  # not Linux
        return ""
    best, kind = "", ""
    real = str(folder.resolve())
    for line in lines:
        mounted, _, described = line.partition(" - ")
        point = mounted.split()[4].replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, described.split()[0]
    return kind


def _text(record: Record) -> str:
    return json.dumps(asdict(record), separators=(",", ":"))


_FIELDS = frozenset(field.name for field in fields(Record))


def _stored(row: tuple[Any, ...]) -> Stored:
    uid, version, text = row
    try:
        values = json.loads(text)
        record = Record(**{k: v for k, v in values.items() if k in _FIELDS})
    except (ValueError, TypeError, AttributeError) as exc:
        raise LeaseMalformedError(
            f"the row of the lease cannot be read: {exc}"
        ) from exc
    return Stored(record=record, uid=uid, version=version)
