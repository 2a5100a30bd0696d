"""
A library's candidate seen from outside: its own HTTP port, and the user's registry.
"""

from __future__ import annotations

import itertools
import socket
import urllib.parse
from functools import partial
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

import k8s_leader
from tests.helpers.candidate import wait_until
from tests.helpers.http import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBERS = itertools.count()


def _lease() -> str:
    return f"memory:showing-{next(_NUMBERS)}"


def _leads(registry: CollectorRegistry, lease: str) -> bool:
    labels: Mapping[str, str] = {
        "lease": lease.removeprefix("memory:"),
        "lease_namespace": "",
    }
    return registry.get_sample_value("k8s_leader_is_leader", dict(labels)) == 1.0


async def test_two_candidates_share_the_users_registry() -> None:
    registry = CollectorRegistry()
    Counter("own_jobs", "of the user", registry=registry).inc()
    first, second = _lease(), _lease()
    async with (
        k8s_leader.campaign(lease=first, registry=registry) as a,
        k8s_leader.campaign(lease=second, registry=registry) as b,
    ):
        async for one in a:
            async with one:
                async for two in b:
                    async with two:
                        for lease in (first, second):
                            wait_until(partial(_leads, registry, lease))
                    break
            break
    text = generate_latest(registry).decode()
    assert "own_jobs_total 1.0" in text
    assert f'lease="{first}"' not in text


async def test_a_candidate_answers_on_its_port_until_it_leaves() -> None:
    lease = _lease()
    async with k8s_leader.campaign(lease=lease, http="127.0.0.1:0") as candidate:
        port = urllib.parse.urlsplit(candidate.http_url).port
        assert port
        async for term in candidate:
            async with term:
                wait_until(lambda: ask(port, "/leaderz").status == 200)
                status = ask(port, "/status").json()
                assert status["identity"] == candidate.identity
                assert "k8s_leader_is_leader" in ask(port, "/metrics").text
            break
    with pytest.raises(OSError, match="refused"):
        ask(port, "/livez")


async def test_a_port_in_use_is_an_error_and_nothing_is_started() -> None:
    lease = _lease()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(k8s_leader.SettingsError, match="in use"):
            async with k8s_leader.campaign(lease=lease, http=address):
                raise AssertionError("it began")
    async with k8s_leader.campaign(lease=lease) as other:
        async for term in other:
            assert term.fencing_token == 1
            async with term:
                break
        other.stop()


@pytest.mark.parametrize("http", ["9090", "auto", "localhost:80", ":70000"])
def test_what_is_no_address_is_refused(http: str) -> None:
    with pytest.raises(k8s_leader.SettingsError, match="127.0.0.1:9090") as error:
        k8s_leader.campaign(lease=_lease(), http=http)
    assert error.value.setting == "http"


async def test_nothing_is_shown_by_default() -> None:
    async with k8s_leader.campaign(lease=_lease()) as candidate:
        assert candidate.http_url == ""
