"""
A table that refuses what an older leader writes, and three ways to lead that use it.

    python examples/fencing.py run|campaign|decorator results.db

Two leaders never overlap while the assumptions hold (docs/safety.md). A resource that
compares tokens is right even when they do not: a machine that slept through the end
of its lease wakes up and writes, and is refused.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import k8s_leader


class StaleTokenError(Exception):
    """
    A newer leader has written already: this one must stop.
    """


class FencedTable:
    """
    Results that only the newest leader can write.

    One statement checks the token and remembers it, in the transaction of the write.

    Args:
        path: of the SQLite file; any SQL database does.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as database:
            database.executescript(
                """
                CREATE TABLE IF NOT EXISTS fence (resource TEXT PRIMARY KEY, token INT);
                CREATE TABLE IF NOT EXISTS results (value TEXT, token INT);
                """
            )

    def write(self, value: str, *, token: int) -> None:
        """
        Write a result.

        Raises:
            StaleTokenError: a newer token was seen; nothing was written.
        """
        with closing(sqlite3.connect(self._path)) as database, database:
            passed = database.execute(
                """
                INSERT INTO fence VALUES ('results', :token)
                ON CONFLICT (resource) DO UPDATE SET token = excluded.token
                WHERE excluded.token >= fence.token
                """,
                {"token": token},
            )
            if passed.rowcount == 0:
                raise StaleTokenError(f"token {token} is older than one seen already")
            database.execute("INSERT INTO results VALUES (?, ?)", (value, token))


def with_run(table: FencedTable, lease: str) -> None:
    """
    A coroutine function, signals and all handled.
    """
    done = k8s_leader.Signal()

    async def serve(term: k8s_leader.Term) -> None:
        assert term.fencing_token is not None
        table.write("run", token=term.fencing_token)
        done.set()  # a real service goes on until it is cancelled

    k8s_leader.run(serve, lease=lease, stop=done)


async def with_campaign(table: FencedTable, lease: str) -> None:
    """
    A loop over terms inside an application of your own.
    """
    async with k8s_leader.campaign(lease=lease) as candidate:
        async for term in candidate.terms():
            async with term:
                assert term.fencing_token is not None
                table.write("campaign", token=term.fencing_token)
            break


def with_decorator(table: FencedTable, lease: str) -> None:
    """
    A plain function that a scheduler calls: a call on a standby is skipped.
    """

    @k8s_leader.leader_only(lease=lease)
    def nightly(term: k8s_leader.Term, value: str) -> None:
        assert term.fencing_token is not None
        term.raise_if_lost()
        table.write(value, token=term.fencing_token)

    nightly("decorator")


def main(way: str, path: str) -> None:
    """
    Lead once, and write once.
    """
    table, lease = FencedTable(path), f"sqlite:{path}.lease"
    if way == "run":
        with_run(table, lease)
    elif way == "campaign":
        asyncio.run(with_campaign(table, lease))
    else:
        with_decorator(table, lease)


if __name__ == "__main__":
    main(*sys.argv[1:])
