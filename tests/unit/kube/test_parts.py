"""
The small parts: cutting lines, and what a replace insists on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_leader.clock import SystemClock
from k8s_leader.errors import LeaseMalformedError, LeaseUnavailableError
from k8s_leader.kube import KubeSettings, WatchTiming
from k8s_leader.kube.access import resolve
from k8s_leader.kube.lease_api import LeaseApi, leases_path
from k8s_leader.kube.tokens import ExecToken
from k8s_leader.kube.transport import Transport
from k8s_leader.kube.watch import Lines, Watch
from tests.helpers.kube_tools import ManualClock, write_kubeconfig


@given(st.lists(st.binary()))
def test_lines_do_not_depend_on_how_the_bytes_arrive(parts: list[bytes]) -> None:
    lines = Lines()
    found = [line for part in parts for line in lines.feed(part)]
    *complete, _ = b"".join(parts).split(b"\n")
    assert found == [line for line in complete if line.strip()]


def test_a_line_without_end_is_refused() -> None:
    lines = Lines(limit=10)
    assert list(lines.feed(b"0123456789")) == []
    with pytest.raises(LeaseMalformedError, match="more than 10 bytes"):
        list(lines.feed(b"x"))


def test_pauses_grow_to_their_bound_and_no_further() -> None:
    watch = Watch(
        None,  # type: ignore[arg-type]  # is not asked
        path="",
        namespace="ns",
        name="a",
        clock=ManualClock(),
        timing=WatchTiming(),
        gate=asyncio.Semaphore(1),
        chance=lambda: 1.0,
    )
    error = LeaseUnavailableError("x")
    pauses = [watch._pause(error, was_good=False) for _ in range(2000)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(pauses) == 30.0
    patient = LeaseUnavailableError("x", retry_after=1e9)
    assert watch._pause(patient, was_good=False) == 60.0


async def test_a_plugin_that_never_ran_has_nothing_to_close() -> None:
    await ExecToken({}, clock=ManualClock()).aclose()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": None},
        {"metadata": {"name": "a", "resourceVersion": "1"}},
        {"metadata": {"name": "a", "uid": "u"}},
        {"metadata": {"uid": "u", "resourceVersion": "1"}},
        {"metadata": {"name": 7, "uid": "u", "resourceVersion": "1"}},
    ],
)
async def test_a_replace_must_say_exactly_what_it_replaces(
    body: dict[str, Any],
) -> None:
    api = LeaseApi(None, watches=None, clock=SystemClock())  # type: ignore[arg-type]  # neither is asked
    with pytest.raises(LeaseMalformedError, match="uid"):
        await api.replace("ns", body, timeout=1.0)


def test_paths_are_quoted() -> None:
    assert leases_path("n/s", "a?b").endswith("/namespaces/n%2Fs/leases/a%3Fb")


async def test_a_url_that_no_client_takes_is_an_outage(tmp_path: Any) -> None:
    config = write_kubeconfig(tmp_path / "c", server="http://a b")
    access = resolve(KubeSettings(kubeconfig=config), environ={}, clock=SystemClock())
    transport = Transport(access, user_agent="x", sent=Counter())
    with pytest.raises(LeaseUnavailableError):
        await transport.call("GET", "/", timeout=5.0)
    await transport.close()
