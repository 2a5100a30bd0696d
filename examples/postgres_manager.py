"""
A lease manager of one's own: one row of a PostgreSQL table.

The row has an owner and an expiry, each call is one conditional statement, and only
the server's clock is asked. That meets the contract: who got ``True`` is alone for
``duration`` seconds after the call was sent.
"""

from __future__ import annotations

import psycopg

TABLE = """
CREATE TABLE IF NOT EXISTS lease (
    name text PRIMARY KEY, owner text NOT NULL, expiry timestamptz NOT NULL
)"""
TAKE = """
INSERT INTO lease VALUES ('job', %(me)s, clock_timestamp() + %(s)s * interval '1 s')
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner,
expiry = clock_timestamp() + %(s)s * interval '1 s'
WHERE lease.owner = %(me)s OR lease.expiry < clock_timestamp()"""
RENEW = """
UPDATE lease SET expiry = clock_timestamp() + %(s)s * interval '1 s'
WHERE name = 'job' AND owner = %(me)s AND expiry > clock_timestamp()"""
FREE = "DELETE FROM lease WHERE name = 'job' AND owner = %(me)s"


class PostgresManager:
    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def _run(self, statement: str, me: str, seconds: float = 0) -> bool:
        with psycopg.connect(self.dsn, autocommit=True, connect_timeout=3) as server:
            return server.execute(statement, {"me": me, "s": seconds}).rowcount == 1

    def acquire(self, identity: str, duration: float) -> bool:
        return self._run(TAKE, identity, duration)

    def renew(self, identity: str, duration: float) -> bool:
        return self._run(RENEW, identity, duration)

    def release(self, identity: str) -> bool:
        return self._run(FREE, identity)
