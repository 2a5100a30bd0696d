"""
What Topshelf.Leader offers, each as a test of its counterpart here.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import k8s_leader
from k8s_leader.leases.memory import process_lease, warn_once
from k8s_leader.leases.sqlite import glance
from k8s_leader.observers.port import RequestDone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NUMBERS = itertools.count()


@pytest.fixture
def lease() -> str:
    """
    A lease in memory that no other test uses.
    """
    return f"memory:features-{next(_NUMBERS)}"


async def _lead_once(lease: str | None, **options: Any) -> k8s_leader.Term:
    async with k8s_leader.campaign(lease=lease, **options) as candidate:
        async for term in candidate.terms():
            async with term:
                return term
    raise AssertionError("no term")


class Mine:
    """
    The smallest manager of one's own.
    """

    def __init__(self, identity: str = "") -> None:
        self.identity = identity
        self.asked: list[str] = []

    async def acquire(self, identity: str, duration: float) -> bool:
        self.asked.append(f"acquire {identity} {duration}")
        return True

    async def renew(self, identity: str, duration: float) -> bool:
        return True

    async def release(self, identity: str) -> bool:
        self.asked.append("release")
        return True


def test_a_coroutine_function_starts_as_leader_and_a_stop_token_ends_it(
    lease: str,
) -> None:
    stop, ended = k8s_leader.Signal(), []

    async def serve(term: k8s_leader.Term) -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(term.lost.is_set())

    k8s_leader.run(serve, lease=lease, stop=stop)
    assert ended == [True]


def test_a_plain_function_runs_in_a_thread_and_sees_the_stop(lease: str) -> None:
    stop, threads = threading.Event(), []

    def serve(term: k8s_leader.Term) -> None:
        threads.append(threading.current_thread())
        stop.set()
        assert term.lost.wait(10)

    k8s_leader.run(serve, lease=lease, stop=stop)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_an_asyncio_event_is_a_stop_token_too(lease: str) -> None:
    stop = asyncio.Event()
    async with k8s_leader.campaign(lease=lease, stop=stop) as candidate:
        async for term in candidate.terms():
            async with term:
                stop.set()
                await asyncio.Event().wait()
    assert process_lease(lease.removeprefix("memory:")).holder == ""


async def test_the_heartbeat_beats_on_standby_as_well_as_leading(lease: str) -> None:
    heard: dict[str, set[bool]] = {"a": set(), "b": set()}
    both = asyncio.Event()

    def heartbeat(name: str) -> Callable[[bool, k8s_leader.Signal], object]:
        async def beat(is_leader: bool, token: k8s_leader.Signal) -> None:
            heard[name].add(is_leader)
            if heard["a"] >= {True} and heard["b"] >= {False}:
                both.set()

        return beat

    options: dict[str, Any] = {"lease": lease, "heartbeat_every": 0.01}
    async with k8s_leader.campaign(heartbeat=heartbeat("a"), **options) as a:
        async for term in a.terms():
            async with term, k8s_leader.campaign(heartbeat=heartbeat("b"), **options):
                await both.wait()
            break
    assert heard["b"] == {False}


async def test_a_heartbeat_that_hangs_does_not_keep_the_candidate(
    lease: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("k8s_leader.app.campaign._HEARTBEAT_PATIENCE", 0.05)
    hangs = threading.Event()
    term = await _lead_once(lease, heartbeat=lambda *_: hangs.wait(60))
    assert term.lost.is_set()
    hangs.set()


async def test_leader_elected_is_told_true_and_false_and_may_fail(
    lease: str, caplog: pytest.LogCaptureFixture
) -> None:
    told = []

    def elected(is_leader: bool) -> None:
        told.append(is_leader)
        raise RuntimeError("broken callback")

    await _lead_once(lease, on_leader_elected=elected)
    assert told == [True, False]
    assert "on_leader_elected failed" in caplog.text


async def test_a_lease_length_may_be_computed_and_a_day_is_valid(lease: str) -> None:
    asked = []

    def day() -> float:
        asked.append(1)
        return 86400.0

    term = await _lead_once(lease, lease_duration=day)
    assert term.grant.until - term.grant.sent > 80000
    assert asked


async def test_a_computed_lease_length_is_asked_for_before_each_term(
    lease: str,
) -> None:
    lengths, grants = [20.0], []
    async with k8s_leader.campaign(
        lease=lease, lease_duration=lambda: lengths[-1], retry_period=0.05
    ) as candidate:
        async for term in candidate.terms():
            async with term:
                grants.append(term.grant.until - term.grant.sent)
                lengths.append(40.0)
                if len(grants) == 2:
                    candidate.stop()
    assert grants == pytest.approx([20 - 1.4, 40 - 1.8])


async def test_a_lease_length_that_turns_out_wrong_stops_and_surfaces(
    lease: str,
) -> None:
    lengths = [20.0]
    with pytest.raises(k8s_leader.SettingsError, match="lease_duration is 0"):  # noqa: PT012
        async with k8s_leader.campaign(
            lease=lease, lease_duration=lambda: lengths[-1], retry_period=0.05
        ) as candidate:
            async for term in candidate.terms():
                async with term:
                    lengths.append(0.0)
    assert process_lease(lease.removeprefix("memory:")).holder == ""


class Paced(Mine):
    """
    Gives the lease or not, and tells when it was asked for the fifth time.
    """

    def __init__(self, *, gives: bool) -> None:
        super().__init__()
        self.often = k8s_leader.Signal()
        self.renewals = 0
        self._gives = gives

    async def acquire(self, identity: str, duration: float) -> bool:
        await super().acquire(identity, duration)
        if len(self.asked) == 5:
            self.often.set()
        return self._gives

    async def renew(self, identity: str, duration: float) -> bool:
        self.renewals += 1
        if self.renewals == 5:
            self.often.set()
        return True


@pytest.mark.parametrize(
    ("gives", "pace"),
    [
        (True, {"renew_every": 0.01}),
        (False, {"renew_every": 0.01, "acquire_every": 0.02}),
    ],
    ids=["renew_every", "acquire_every"],
)
async def test_the_store_is_asked_as_often_as_it_was_said(
    gives: bool, pace: dict[str, Any]
) -> None:
    """
    By default five take 12 s for a leader, and a minute for a standby.
    """
    manager = Paced(gives=gives)
    async with asyncio.timeout(5):
        async with k8s_leader.campaign(manager=manager, **pace) as candidate:
            if gives:
                async for term in candidate.terms():
                    async with term:
                        await manager.often
                    break
            else:
                await manager.often


@pytest.mark.parametrize("how", ["instance", "factory", "class"])
async def test_a_manager_of_ones_own_is_three_methods_returning_bool(how: str) -> None:
    made: list[Mine] = [Mine()]

    def factory(identity: str) -> Mine:
        made.append(Mine(identity))
        return made[-1]

    class Its(Mine):
        def __init__(self, identity: str) -> None:
            super().__init__(identity)
            made.append(self)

    manager = {"instance": made[0], "factory": factory, "class": Its}[how]
    term = await _lead_once(None, manager=manager)
    assert term.fencing_token is None
    assert made[-1].asked[-1] == "release"
    assert made[-1].asked[0].startswith(f"acquire {term.identity} ")


_HANGING = """
import threading
import k8s_leader

renewing, stop = threading.Event(), k8s_leader.Signal()

class Hanging:
    def acquire(self, identity, duration):
        return True
    def renew(self, identity, duration):
        renewing.set()
        threading.Event().wait()  # as a driver does that knows no time-out
    def release(self, identity):
        print("released", flush=True)
        return True

def serve(term):
    assert renewing.wait(20)
    stop.set()

k8s_leader.run(serve, manager=Hanging(), stop=stop, renew_every=0.01)
"""


def test_a_plain_method_that_hangs_does_not_keep_the_process_from_ending() -> None:
    said = subprocess.check_output([sys.executable, "-c", _HANGING], timeout=30)
    assert said == b"released\n"


async def test_the_node_id_is_a_prefix_and_the_rest_is_unique(lease: str) -> None:
    first = await _lead_once(lease, identity="node-7")
    again = await _lead_once(lease, identity="node-7")
    assert first.identity.startswith("node-7_")
    assert first.identity != again.identity


async def test_assign_leader_moves_the_term_to_the_assigned_candidate(
    lease: str,
) -> None:
    led: asyncio.Queue[str] = asyncio.Queue()

    async def lead(candidate: k8s_leader.Candidate) -> None:
        async for term in candidate.terms():
            async with term:
                led.put_nowait(candidate.identity)
                await asyncio.Event().wait()

    async with k8s_leader.campaign(lease=lease) as a:
        of_a = asyncio.create_task(lead(a))
        assert await led.get() == a.identity
        async with k8s_leader.campaign(lease=lease) as b:
            of_b = asyncio.create_task(lead(b))
            b.assign_leader()
            assert await led.get() == b.identity
            assert not a.is_leader
            for candidate in (a, b):
                candidate.stop()
            await asyncio.gather(of_a, of_b)


async def test_the_next_term_begins_after_the_workload_returned(lease: str) -> None:
    tokens: list[int] = []
    async with k8s_leader.campaign(lease=lease, retry_period=0.05) as candidate:
        async for term in candidate.terms():
            async with term:
                tokens.append(term.fencing_token or 0)
                if len(tokens) == 2:
                    candidate.stop()
    assert tokens[0] < tokens[1]


async def test_a_term_that_was_not_entered_is_an_error_and_not_a_silent_end(
    lease: str,
) -> None:
    with pytest.raises(RuntimeError, match="async with term"):  # noqa: PT012
        async with k8s_leader.campaign(lease=lease) as candidate:
            async for _ in candidate.terms():
                pass
    assert process_lease(lease.removeprefix("memory:")).holder == ""


async def test_leaving_before_the_term_was_entered_releases(lease: str) -> None:
    async with k8s_leader.campaign(lease=lease) as candidate:
        async for _ in candidate.terms():
            break
    assert process_lease(lease.removeprefix("memory:")).holder == ""


async def test_users_observers_are_told(
    lease: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine the last notice may come later than a second.
    monkeypatch.setattr("k8s_leader.app.campaign._OBSERVER_PATIENCE", 30.0)

    class Notes:
        def __init__(self) -> None:
            self.states: list[str] = []

        def on_notice(self, notice: k8s_leader.Notice) -> None:
            if isinstance(notice, k8s_leader.StateChanged):
                self.states.append(notice.after)

    notes = Notes()
    await _lead_once(lease, observers=[notes])
    assert "leading" in notes.states
    assert notes.states[-1] == "stopped"


async def test_an_observer_that_hangs_costs_no_renewal_and_is_left_behind(
    lease: str,
) -> None:
    """
    Before observers were told apart this lost the lease, and the process with it.
    """
    go_on, told = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Hanging:
        def on_notice(self, notice: k8s_leader.Notice) -> None:
            loop.call_soon_threadsafe(told.set)
            go_on.wait()

    class Renewals:
        def __init__(self) -> None:
            self.enough = asyncio.Event()
            self.count = 0

        def on_notice(self, notice: k8s_leader.Notice) -> None:
            if isinstance(notice, RequestDone) and notice.operation == "renew":
                assert notice.error is None
                self.count += 1
                if self.count == 20:
                    loop.call_soon_threadsafe(self.enough.set)

    renewals = Renewals()
    quick: Any = {"lease_duration": 10.0, "renew_every": 0.05}
    try:
        async with k8s_leader.campaign(
            lease=lease, observers=[Hanging(), renewals], **quick
        ) as candidate:
            async for term in candidate.terms():
                async with term:
                    await told.wait()
                    await renewals.enough.wait()
                    assert candidate.is_leader
                break
    finally:
        go_on.set()
    assert renewals.count >= 20


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"renew_every": 0}, "renew"),
        ({"acquire_every": -1.0}, "acquire"),
        ({"renew_every": 20.0}, "renew"),
        ({"lease_duration": 0}, "lease"),
        ({"heartbeat_every": 0}, "heartbeat_every"),
    ],
)
async def test_settings_that_cannot_work_are_named_and_nothing_is_started(
    lease: str, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(k8s_leader.SettingsError) as caught:
        await _lead_once(lease, **options)
    assert named in caught.value.setting.replace("-", "_")
    assert process_lease(lease.removeprefix("memory:")).holder == ""


async def test_outside_a_cluster_a_bare_name_is_in_memory_with_one_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    warn_once.cache_clear()
    with pytest.warns(  # noqa: PT031  # twice is the point
        k8s_leader.MemoryLeaseWarning, match="process"
    ) as caught:
        await _lead_once(f"bare-{next(_NUMBERS)}")
        await _lead_once(f"bare-{next(_NUMBERS)}")
    assert len(caught) == 1


async def test_s14_inside_a_cluster_no_lease_named_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(k8s_leader.SettingsError, match="name the lease"):
        await _lead_once(None)


async def test_a_start_up_fault_stops_and_surfaces(tmp_path: Path) -> None:
    (tmp_path / "lease.db").write_text("this is no database, whatever its name says")
    with pytest.raises(k8s_leader.LeaderError):
        await _lead_once(f"sqlite:{tmp_path / 'lease.db'}")


def test_a_missing_lease_is_not_made_where_that_is_turned_off(tmp_path: Path) -> None:
    path = tmp_path / "lease.db"
    for create, outcome in ((False, None), (True, "led"), (False, "led")):
        with k8s_leader.leader_only(
            lease=f"sqlite:{path}", lease_create=create
        ) as jobs:
            assert jobs(lambda term: "led")() == outcome
        assert (glance(path, name="leader") is None) is (outcome is None)


async def test_two_candidates_share_a_runtimes_thread(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    async with k8s_leader.Runtime() as runtime:
        before = threading.active_count()
        for number in (1, 2):
            lease = f"sqlite:{path}{number}.db"
            others = set(threading.enumerate())  # of tests before
            async with k8s_leader.campaign(lease=lease, runtime=runtime) as candidate:
                async for term in candidate.terms():
                    async with term:
                        threads = set(threading.enumerate()) - others
                        names = {thread.name for thread in threads}
                        assert "k8s-leader-election" not in names
                    break
        assert before >= 1


async def test_a_runtime_that_was_not_entered_is_an_error() -> None:
    with pytest.raises(k8s_leader.LeaderError, match="enter the runtime first"):
        await _lead_once("memory:unentered", runtime=k8s_leader.Runtime())


def test_every_public_name_exists() -> None:
    for name in k8s_leader.__all__:
        assert getattr(k8s_leader, name) is not None
