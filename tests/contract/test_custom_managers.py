"""
What managers of users' own promise: three bools, plain or async, or a PostgreSQL row.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from examples.postgres_manager import TABLE, PostgresManager
from k8s_leader.app.campaign import campaign
from k8s_leader.election.observation import LossReason, Lost
from k8s_leader.election.record import TermId
from k8s_leader.errors import LeaseConflictError, LeaseUnavailableError
from k8s_leader.leases import custom
from k8s_leader.leases.custom import BoolLeaseManager, BoolManager
from k8s_leader.leases.port import Held, Refused, StillHeld
from k8s_leader.testing.clock import FakeClock

_NO_PG = (
    "no PostgreSQL: initdb and postgres are neither on PATH nor where Debian has them"
)
_IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


class Row:
    """
    A row with owner and expiry, as any database has it.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.owner = ""
        self.expiry = 0.0
        self.lock = threading.Lock()

    def take(self, identity: str, duration: float) -> bool:
        with self.lock:
            if self.owner not in ("", identity) and self.clock.now() < self.expiry:
                return False
            self.owner, self.expiry = identity, self.clock.now() + duration
            return True

    def prolong(self, identity: str, duration: float) -> bool:
        with self.lock:
            if self.owner != identity or self.clock.now() >= self.expiry:
                return False
            self.expiry = self.clock.now() + duration
            return True

    def free(self, identity: str) -> bool:
        with self.lock:
            mine = self.owner == identity
            self.owner = "" if mine else self.owner
            return mine


class Plain:
    def __init__(self, row: Row) -> None:
        self.row = row

    def acquire(self, identity: str, duration: float) -> bool:
        return self.row.take(identity, duration)

    def renew(self, identity: str, duration: float) -> bool:
        return self.row.prolong(identity, duration)

    def release(self, identity: str) -> bool:
        return self.row.free(identity)


class Async:
    def __init__(self, row: Row) -> None:
        self.row = row

    async def acquire(self, identity: str, duration: float) -> bool:
        await asyncio.sleep(0)
        return self.row.take(identity, duration)

    async def renew(self, identity: str, duration: float) -> bool:
        await asyncio.sleep(0)
        return self.row.prolong(identity, duration)

    async def release(self, identity: str) -> bool:
        await asyncio.sleep(0)
        return self.row.free(identity)


class Bools:
    """
    A kind of custom manager, and how its lease is made to expire.
    """

    def __init__(
        self, make: Callable[[], BoolManager], *, expire: Callable[[], None]
    ) -> None:
        self.make = make
        self.expire = expire

    def candidate(self, identity: str) -> BoolLeaseManager:
        return BoolLeaseManager(self.make(), identity=identity)


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """
    The DSN of a PostgreSQL server of this test process alone.
    """
    programs = _programs()
    if programs is None:
        (pytest.fail if _IN_CI else pytest.skip)(_NO_PG)
    with contextlib.ExitStack() as stack:
        # Not in pytest's own folder: only its user may enter that.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg-")))
        prefix = _as_postgres(folder)
        data = folder / "data"
        subprocess.run(
            [*prefix, programs / "initdb", "-A", "trust", "-U", "test", "-N", data],
            check=True,
            capture_output=True,
            cwd="/",
        )
        # A socket in its own folder: a port of the machine may be taken by another.
        server = subprocess.Popen(
            [
                *prefix,
                str(programs / "postgres"),
                *("-D", str(data), "-p", "5432", "-h", ""),
                *("-k", str(folder), "-F"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        stack.callback(server.wait, 30)
        stack.callback(server.terminate)
        dsn = f"host={folder} port=5432 user=test dbname=postgres"
        _wait_until_up(dsn, server)
        yield dsn


def _as_postgres(folder: Path) -> list[str]:
    """
    PostgreSQL refuses to run as root.
    """
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _wait_until_up(dsn: str, server: subprocess.Popen[bytes]) -> None:
    pause = threading.Event()
    for _ in range(300):
        assert server.poll() is None, "postgres ended at once"
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(dsn, connect_timeout=3).close()
            return
        pause.wait(0.1)
    pytest.fail("postgres did not come up")


@pytest.fixture(
    params=["plain", "async", pytest.param("postgres", marks=pytest.mark.pg)]
)
def bools(request: pytest.FixtureRequest) -> Bools:
    """
    A lease that nobody holds.
    """
    if request.param != "postgres":
        row = Row(FakeClock())
        kind = Plain if request.param == "plain" else Async
        return Bools(lambda: kind(row), expire=lambda: void(row.clock.advance(1000)))
    dsn: str = request.getfixturevalue("postgres")
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute(TABLE)
        server.execute("DELETE FROM lease")

    def expire() -> None:
        with psycopg.connect(dsn, autocommit=True) as server:
            server.execute("UPDATE lease SET expiry = expiry - interval '1000 s'")

    return Bools(lambda: PostgresManager(dsn), expire=expire)


def void(_: object) -> None:
    """
    Drop a result.
    """


async def test_of_many_candidates_at_once_one_wins(bools: Bools) -> None:
    managers = [bools.candidate(f"c{n}-{uuid.uuid4()}") for n in range(8)]
    results = await asyncio.gather(*(m.acquire(duration=15.0) for m in managers))
    assert sum(isinstance(result, Held) for result in results) == 1


async def test_a_held_lease_is_refused_until_it_expires(bools: Bools) -> None:
    a, b = bools.candidate("a"), bools.candidate("b")
    assert await a.acquire(duration=15.0) == Held(token=None)
    assert await b.acquire(duration=15.0) == Refused()
    bools.expire()
    assert await b.acquire(duration=15.0) == Held(token=None)
    assert await a.renew(duration=15.0) == Lost(reason=LossReason.REFUSED)


async def test_a_renewed_lease_is_still_held(bools: Bools) -> None:
    a, b = bools.candidate("a"), bools.candidate("b")
    await a.acquire(duration=15.0)
    assert await a.renew(duration=15.0) == StillHeld()
    assert await b.acquire(duration=15.0) == Refused()


async def test_an_expired_lease_cannot_be_renewed(bools: Bools) -> None:
    a = bools.candidate("a")
    await a.acquire(duration=15.0)
    bools.expire()
    assert await a.renew(duration=15.0) == Lost(reason=LossReason.REFUSED)


async def test_only_the_holder_releases(bools: Bools) -> None:
    a, b = bools.candidate("a"), bools.candidate("b")
    await a.acquire(duration=15.0)
    await b.release()
    assert await b.acquire(duration=15.0) == Refused()
    await a.release()
    assert await b.acquire(duration=15.0) == Held(token=None)


async def test_bools_tell_nothing_else(bools: Bools) -> None:
    a = bools.candidate("a")
    term = TermId(identity="a", uid="u", acquire_time="t", transitions=0)
    assert not await a.adopt(term, token=None)
    assert (a.identity, a.holder) == ("a", "")
    watch = asyncio.ensure_future(anext(a.changes()))
    done, _ = await asyncio.wait([watch], timeout=0.01)
    assert not done
    watch.cancel()
    await a.close()


@pytest.mark.pg
async def test_candidates_on_a_postgresql_row_lead_one_after_the_other(
    postgres: str,
) -> None:
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(TABLE)
        server.execute("DELETE FROM lease")
    inside: list[str] = []
    led: list[str] = []

    async def lead() -> None:
        async with campaign(
            manager=lambda _: PostgresManager(postgres),
            renew_every=0.1,
            acquire_every=0.2,
        ) as candidate:
            async for term in candidate.terms():
                async with term:
                    inside.append(candidate.identity)
                    assert len(inside) == 1
                    await asyncio.sleep(0.3)  # in which the others try
                    led.append(inside.pop())
                return

    async with asyncio.timeout(30):
        await asyncio.gather(*(lead() for _ in range(3)))
    assert len(set(led)) == 3


class SlowPlain(Plain):
    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.go = threading.Event()

    def acquire(self, identity: str, duration: float) -> bool:
        assert self.go.wait(30)
        return super().acquire(identity, duration)


class SlowAsync(Async):
    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.go = asyncio.Event()

    async def acquire(self, identity: str, duration: float) -> bool:
        await self.go.wait()
        return await super().acquire(identity, duration)


@pytest.mark.parametrize("kind", [SlowPlain, SlowAsync])
async def test_s6_a_true_that_comes_too_late_is_released_again(
    kind: type[SlowPlain | SlowAsync], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom, "_PATIENCE", 20.0)  # a busy machine's threads are late
    row = Row(FakeClock())
    slow = kind(row)
    manager = BoolLeaseManager(slow, identity="a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await manager.acquire(duration=15.0)
    slow.go.set()
    await manager.close()
    assert row.owner == ""


@pytest.mark.parametrize("kind", [SlowPlain, SlowAsync])
async def test_s6_a_late_true_does_not_free_the_term_won_after_it(
    kind: type[SlowPlain | SlowAsync],
) -> None:
    row = Row(FakeClock())
    slow = kind(row)
    manager = BoolLeaseManager(slow, identity="a")
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await manager.acquire(duration=15.0)
    slow.go.set()
    assert await manager.acquire(duration=15.0) == Held(token=None)
    await manager.close()
    assert row.owner == "a"


class Odd:
    """
    Does what it is told instead of what it should.
    """

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def acquire(self, identity: str, duration: float) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # that is the point

    def renew(self, identity: str, duration: float) -> bool:
        return self.acquire(identity, duration)

    def release(self, identity: str) -> bool:
        return self.acquire(identity, 0.0)


@pytest.mark.parametrize("answer", [None, 1, "yes", ValueError("no route")])
async def test_what_is_no_bool_is_not_known(answer: object) -> None:
    manager = BoolLeaseManager(Odd(answer), identity="a")
    with pytest.raises(LeaseUnavailableError, match="acquire"):
        await manager.acquire(duration=15.0)
    with pytest.raises(LeaseUnavailableError, match="renew"):
        await manager.renew(duration=15.0)
    with pytest.raises(LeaseUnavailableError, match="release"):
        await manager.release()


async def test_lease_errors_of_a_custom_manager_pass() -> None:
    manager = BoolLeaseManager(Odd(LeaseConflictError("other")), identity="a")
    with pytest.raises(LeaseConflictError, match="other"):
        await manager.acquire(duration=15.0)
