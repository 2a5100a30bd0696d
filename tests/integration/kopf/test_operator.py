"""
Real kopf operators, two replicas, on a real API server.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import boot_time, wait_until

if TYPE_CHECKING:
    from tests.integration.kopf.conftest import OperatorSite

pytestmark = [pytest.mark.kube, pytest.mark.slow]

WAYS = ("run", "lead")


@pytest.mark.parametrize("way", WAYS)
def test_sigterm_hands_over_without_overlap_and_without_handling_anything_twice(
    site: OperatorSite, way: str
) -> None:
    site.make("first")
    a = site.operator("a", way=way)
    for event in ("create", "timer", "daemon", "thread"):
        site.wait_for("a", event)
    site.wait_until_handled("first")
    b = site.operator("b", way=way)
    wait_until(lambda: "the leader is" in b.log.read_text(), why="b stands by")
    assert a.stop() == 0
    site.wait_for("b", "thread")
    site.make("second")
    site.wait_for("b", "create")
    assert site.deeds("a", "cleanup")
    assert site.deeds("a")[-1].at < site.deeds("b")[0].at
    handled = [(d.name, d.about) for d in site.deeds(event="create")]
    assert handled == [("a", "first"), ("b", "second")]
    assert b.stop() == 0
    spec = (site.api.lease(site.namespace, "operator") or {})["spec"]
    assert not spec.get("holderIdentity")


def test_what_happened_while_nobody_led_is_handled_once(site: OperatorSite) -> None:
    a = site.operator("a")
    site.wait_for("a", "startup")
    a.stop()
    site.make("orphan")
    site.operator("b")
    site.wait_for("b", "create")
    site.wait_for("b", "timer", count=10)
    assert [d.about for d in site.deeds(event="create")] == ["orphan"]


@pytest.mark.parametrize("way", WAYS)
def test_a_stolen_lease_kills_at_once(site: OperatorSite, way: str) -> None:
    site.make("first")
    a = site.operator("a", way=way)
    site.wait_for("a", "thread")
    stolen = boot_time()
    site.edit_lease(holderIdentity="thief", leaseTransitions=7)
    assert a.process.wait(20) == -signal.SIGKILL
    assert site.deeds("a")[-1].at < stolen + 1.0


def test_an_outage_stops_all_before_the_grant_ends_and_the_process_leads_again(
    site: OperatorSite,
) -> None:
    site.make("first")
    proxy, kubeconfig = site.proxy()
    a = site.operator("a", KUBECONFIG=kubeconfig)
    site.wait_for("a", "thread")
    site.wait_until_handled("first")
    proxy.black_hole()
    cut = boot_time()
    site.wait_for("a", "cleanup")
    proxy.pass_through()
    again = site.wait_for("a", "startup", count=2)
    before = [d.at for d in site.deeds("a") if d.at < again.at]
    assert before[-1] < cut + 5.5  # what is left of a grant at most
    site.wait_for("a", "thread", count=len(site.deeds("a", "thread")) + 5)
    assert len(site.deeds("a", "create")) == 1
    assert a.stop() == 0


def test_an_outage_ends_an_operator_of_kopf_run_before_its_grant_ends(
    site: OperatorSite,
) -> None:
    site.make("first")
    proxy, kubeconfig = site.proxy()
    a = site.operator("a", way="lead", KUBECONFIG=kubeconfig)
    site.wait_for("a", "thread")
    proxy.black_hole()
    cut = boot_time()
    a.process.wait(30)
    assert site.deeds("a")[-1].at < cut + 5.5
    site.operator("b", way="lead")
    site.wait_for("b", "thread")
    assert site.deeds("a")[-1].at < site.deeds("b")[0].at


@pytest.mark.parametrize("way", WAYS)
def test_a_thread_that_does_not_stop_is_killed_with_its_process(
    site: OperatorSite, way: str
) -> None:
    site.make("first")
    proxy, kubeconfig = site.proxy()
    a = site.operator("a", way=way, KUBECONFIG=kubeconfig, STUBBORN="1")
    site.wait_for("a", "thread")
    proxy.black_hole()
    cut = boot_time()
    assert a.process.wait(30) == -signal.SIGKILL
    assert site.deeds("a")[-1].at < cut + 5.5


def test_a_thread_that_ignores_sigterm_is_killed_before_anybody_else_works(
    site: OperatorSite,
) -> None:
    site.make("first")
    a = site.operator("a", STUBBORN="1", STOP_TIMEOUT="1")
    site.wait_for("a", "thread")
    site.operator("b")
    assert a.stop() == -signal.SIGKILL
    site.wait_for("b", "thread")
    assert site.deeds("a")[-1].at < site.deeds("b")[0].at


@pytest.mark.parametrize("way", WAYS)
def test_the_liveness_probe_is_good_on_standby_and_on_the_leader(
    site: OperatorSite, way: str
) -> None:
    ports = []
    for name in ("a", "b"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(int(free.getsockname()[1]))
        endpoint = f"http://127.0.0.1:{ports[-1]}/healthz"
        site.operator(name, way=way, LIVENESS=endpoint)
        if name == "a":
            site.wait_for("a", "startup")
    for port in ports:
        wait_until(lambda port=port: _health(port) is not None)  # type: ignore[misc]
    assert _health(ports[0]) == {}  # kopf's own answer
    assert _health(ports[1]) == {"role": "standby"}


def test_sigterm_on_standby_ends_it_and_leaves_the_leader_alone(
    site: OperatorSite,
) -> None:
    a = site.operator("a")
    site.wait_for("a", "startup")
    for way in WAYS:
        b = site.operator(f"b-{way}", way=way)
        wait_until(lambda b=b: "the leader is" in b.log.read_text())  # type: ignore[misc]
        # The election is a thread: it may say that before SIGTERM is handled.
        wait_until(lambda b=b: b.handles(signal.SIGTERM))  # type: ignore[misc]
        assert b.stop() == 0
        assert not site.deeds(f"b-{way}")
    assert a.stop() == 0


def _health(port: int) -> object | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        reply = connection.getresponse()
        return dict(json.loads(reply.read())) if reply.status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()
