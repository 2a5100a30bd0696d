"""
What candidates write into the cluster beside the lease, on a real API server.

The Pods exist in the API only (there is no kubelet); the candidates are real
``k8s-leader run`` processes whose downward API variables name them.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from k8s_leader.clock import SystemClock
from k8s_leader.errors import LeaseConflictError, LeaseForbiddenError
from k8s_leader.guard.descent import children
from k8s_leader.kube import KubeClient, KubeSettings
from k8s_leader.kube.pods import PodApi, PodRef
from k8s_leader.observers.cluster.candidates import candidates
from k8s_leader.observers.cluster.names import Role
from tests.helpers.candidate import LASTING, Journal, boot_time, wait_until
from tests.helpers.cluster import ApiServer
from tests.helpers.http import ask, free_port
from tests.helpers.lifeline import Lifeline
from tests.helpers.site import COST, LIST_PODS, NAME, PATCH_PODS, ROLE, Site

pytestmark = [pytest.mark.kube, pytest.mark.slow]


@pytest.fixture
def journal(tmp_path: Any) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture
def site(api_server: ApiServer, journal: Journal, lifeline: Lifeline) -> Site:
    return Site(api_server, journal, lifeline)


def test_labels_events_and_notes_follow_a_hand_over(site: Site) -> None:
    with site.candidate("a") as a:
        wait_until(lambda: site.role("a") == "leader")
        assert site.cost("a") == "1000"
        with site.candidate("b") as b:
            wait_until(lambda: site.role("b") == "standby")
            assert site.cost("b") is None
            assert site.notes()["pod"] == f"{site.namespace}/a"
            assert site.notes()["node"] == "node-1"
            assert a.stop() == 0
            assert site.role("a") == "standby"
            assert site.cost("a") is None
            wait_until(lambda: site.role("b") == "leader")
            notes = site.notes()
            assert notes["pod"] == f"{site.namespace}/b"
            assert "released it" in notes["last-change"]
            entries = [(e["who"][0], e["what"]) for e in json.loads(notes["history"])]
            assert entries == [("a", "acquired"), ("a", "released"), ("b", "acquired")]
            assert "SIGTERM" in json.loads(notes["history"])[1]["why"]
            assert b.stop() == 0
    assert "pod" not in site.notes()
    uid = site.lease()["metadata"]["uid"]
    told = site.events("Lease", uid)
    assert [f"{m[0]} {m.split('_')[1][37:]}" for m in sorted(told)] == [
        "a became leader",
        "a stopped leading (SIGTERM)",
        "b became leader",
        "b stopped leading (SIGTERM)",
    ]
    assert len(site.events("Pod")) == 4


def test_the_label_goes_before_the_workload_and_comes_after_it_started(
    site: Site,
) -> None:
    uid = site.make_pod("a")
    patient = ("--stop-timeout", "4s")
    with site.candidate("a", *patient, uid=uid, mode="stubborn") as a:
        wait_until(lambda: site.role("a") == "leader")
        # Not by the log: the guard tells its elector first, whose request is quick.
        assert len(children(a.pid)) == 2, "an elector and a workload"
        wait_until(lambda: "workload started" in a.text())
        wait_until(site.journal.tokens)
        a.send(signal.SIGTERM)
        wait_until(lambda: site.role("a") == "standby")
        led_away = boot_time()
        assert a.wait() == 137
    assert site.journal.entries()[-1].at > led_away


def test_a_label_that_somebody_changed_is_put_right_at_the_next_term(
    site: Site,
) -> None:
    uid = site.make_pod("a", **{COST.replace("/", "__"): "1000"})
    patch = {"metadata": {"labels": {ROLE: "leader"}}}
    site.api.patch(f"{site.pods}/a", patch)
    with site.candidate("b") as b:
        wait_until(lambda: site.role("b") == "leader")
        with site.candidate("a", uid=uid) as a:  # its container was killed as leader
            wait_until(lambda: site.role("a") == "standby")
            wait_until(lambda: site.cost("a") is None)
            a.stop()
        b.stop()


def test_annotations_of_others_survive_our_notes(site: Site) -> None:
    with site.candidate("a") as a:
        wait_until(site.journal.tokens)
        site.api.patch(
            site.api.lease_path(site.namespace, NAME),
            {"metadata": {"annotations": {"team": "blue"}}},
        )
        version = site.lease()["metadata"]["resourceVersion"]
        wait_until(lambda: site.lease()["metadata"]["resourceVersion"] != version)
        a.stop()
    assert site.lease()["metadata"]["annotations"]["team"] == "blue"


def test_missing_rights_are_one_warning_each_and_harm_nothing(
    api_server: ApiServer, journal: Journal, lifeline: Lifeline
) -> None:
    site = Site(api_server, journal, lifeline, rules=())
    with site.candidate("a") as a:
        wait_until(lambda: "patch pods" in a.text() and "create events" in a.text())
        wait_until(journal.tokens)
        assert a.stop() == 0
    text = a.text()
    assert text.count("patch pods") == 1
    assert text.count("create events") == 1
    rule = '  - apiGroups: [""]\n    resources: ["{}"]\n    verbs: ["{}"]'
    assert rule.format("pods", "patch") in text
    assert rule.format("events", "create") in text
    assert journal.most_at_once() == 1


def test_what_is_turned_off_is_not_written(site: Site) -> None:
    flags = (
        "--no-events",
        "--no-pod-label",
        "--pod-deletion-cost=0",
        "--no-lease-notes",
    )
    with site.candidate("a", *flags) as a:
        wait_until(site.journal.tokens)
        a.stop()
    assert site.role("a") is None
    assert site.cost("a") is None
    assert site.events("Lease") == []
    assert "history" not in site.notes()


def test_another_pod_of_the_same_name_is_never_touched(site: Site) -> None:
    site.make_pod("a")
    with site.candidate("a", uid="00000000-0000-0000-0000-000000000000") as a:
        wait_until(lambda: "marking the Pod" in a.text())
        wait_until(site.journal.tokens)
        a.stop()
    assert site.role("a") is None


@pytest.fixture
def black_hole() -> Iterator[int]:
    """
    A port that accepts connections and never answers.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                pass

        thread = threading.Thread(target=accept, name="black-hole", daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for end in held:
            end.close()


def test_writes_that_hang_delay_neither_renewals_nor_the_stop(
    own_api_server: ApiServer,
    journal: Journal,
    lifeline: Lifeline,
    black_hole: int,
) -> None:
    site = Site(own_api_server, journal, lifeline)
    uid = site.make_pod("a")
    own_api_server.request(
        "POST",
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        _hanging_webhook(black_hole),
    )
    wait_until(lambda: _hangs(site))
    with site.candidate("a", *LASTING, "--renew-every=800ms", uid=uid) as a:
        wait_until(journal.tokens)
        gaps, last, version = [], boot_time(), ""
        began = last
        while boot_time() < began + 16:  # two leases long
            now = site.lease()["metadata"]["resourceVersion"]
            if now != version:
                gaps.append(boot_time() - last)
                last, version = boot_time(), now
        assert max(gaps[1:]) < 2.0, "a renewal was late"
        asked = boot_time()
        a.send(signal.SIGTERM)
        wait_until(lambda: not site.lease()["spec"]["holderIdentity"])
        released = boot_time() - asked
        assert a.wait() == 0
        assert released < 1.0
    assert len(journal.tokens()) == 1
    assert site.role("a") is None


def _hanging_webhook(port: int) -> dict[str, Any]:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
    }
    return {
        "metadata": {"name": "hangs"},
        "webhooks": [
            {
                "name": "hangs.k8s-leader.test",
                "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
                "rules": [{**rule, "resources": ["events", "pods"]}],
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 30,
            }
        ],
    }


def _hangs(site: Site) -> bool:
    try:
        probe = {"metadata": {"labels": {"probe": os.urandom(4).hex()}}}
        site.api.patch(f"{site.pods}/a", probe, timeout=1.0)
    except TimeoutError:
        return True
    return False


async def test_the_candidates_are_listed_from_their_pods(
    api_server: ApiServer, journal: Journal, lifeline: Lifeline
) -> None:
    site = Site(api_server, journal, lifeline, rules=(PATCH_PODS, LIST_PODS))
    site.make_pod("stranger")
    with site.candidate("a") as a, site.candidate("b") as b:
        both = {"leader", "standby"}
        ready = lambda: {site.role("a"), site.role("b")} == both  # noqa: E731
        await asyncio.to_thread(wait_until, ready)
        settings = KubeSettings(kubeconfig=str(site.kubeconfig))
        async with KubeClient.connect(
            settings, environ={}, clock=SystemClock()
        ) as client:
            found = await candidates(
                PodApi(client), namespace=site.namespace, lease=NAME
            )
            other = await candidates(
                PodApi(client), namespace=site.namespace, lease="other"
            )
        holder = site.lease()["spec"]["holderIdentity"]
        await asyncio.to_thread(a.stop)
        await asyncio.to_thread(b.stop)
    assert [c.pod for c in found] == ["a", "b"]
    assert [c.identity for c in found if c.role is Role.LEADER] == [holder]
    assert other == []


def test_the_status_page_shows_the_candidates(
    api_server: ApiServer, journal: Journal, lifeline: Lifeline
) -> None:
    site = Site(api_server, journal, lifeline, rules=(PATCH_PODS, LIST_PODS))
    port = free_port()
    http = ("--http", f"127.0.0.1:{port}")
    with site.candidate("a", *http) as a, site.candidate("b") as b:
        both = {"leader", "standby"}
        wait_until(lambda: {site.role("a"), site.role("b")} == both)
        wait_until(lambda: len(_peers(port)) == 2)
        shown = _peers(port)
        assert [peer["pod"] for peer in shown] == ["a", "b"]
        leaders = [p["identity"] for p in shown if p["role"] == "leader"]
        assert leaders == [site.lease()["spec"]["holderIdentity"]]
        a.stop()
        b.stop()


def _peers(port: int) -> list[dict[str, Any]]:
    try:
        return ask(port, "/status").json()["peers"] or []
    except OSError:
        return []


async def test_listing_and_patching_say_which_right_is_missing(
    api_server: ApiServer, journal: Journal, lifeline: Lifeline
) -> None:
    site = Site(api_server, journal, lifeline, rules=(PATCH_PODS,))
    site.make_pod("a")
    settings = KubeSettings(kubeconfig=str(site.kubeconfig))
    async with KubeClient.connect(settings, environ={}, clock=SystemClock()) as client:
        with pytest.raises(LeaseForbiddenError) as caught:
            await candidates(PodApi(client), namespace=site.namespace, lease=NAME)
        assert 'verbs: ["list"]' in caught.value.rule
        wrong = PodRef(namespace=site.namespace, name="a", uid="another")
        with pytest.raises(LeaseConflictError):
            await PodApi(client).mark(
                wrong, labels={ROLE: "leader"}, annotations={}, timeout=10.0
            )
