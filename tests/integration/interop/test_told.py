"""
What a term says of itself, in Events and metrics: ours beside client-go's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from k8s_leader.election.orders import STEP_DOWN
from tests.helpers.candidate import Journal, wait_until
from tests.helpers.http import ask, free_port
from tests.helpers.peers import Campaign, client_go_peer
from tests.helpers.site import EVENTS, NAME, PATCH_PODS, Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.cluster import ApiServer
    from tests.helpers.lifeline import Lifeline

pytestmark = [pytest.mark.kube, pytest.mark.slow]

STATUS = "leader_election_master_status"
SLOW = "leader_election_slowpath_total"


@pytest.fixture
def site(api_server: ApiServer, lifeline: Lifeline, tmp_path: Path) -> Site:
    updates = {**EVENTS, "verbs": ["create", "patch"]}
    journal = Journal(tmp_path / "journal")
    return Site(api_server, journal, lifeline, rules=(PATCH_PODS, updates))


def client_go_led(site: Site) -> list[str]:
    """
    Let a client-go lead and leave; return its metrics of the term.
    """
    campaign = Campaign(
        kubeconfig=site.kubeconfig,
        namespace=site.namespace,
        lease=NAME,
        identity="go",
        lease_duration=4,
        renew_deadline=3,
        retry_period=1,
    )
    with client_go_peer(campaign, lifeline=site.lifeline, tells=True) as go:
        led = go.wait_for("started_leading")
        wait_until(lambda: "go became leader" in told(site))
        go.terminate()
        wait_until(lambda: "go stopped leading" in told(site))
    return list(led.metrics)


def ours_led(site: Site) -> list[str]:
    """
    The same with one of ours, which is asked to step down.
    """
    port = free_port()

    def metrics() -> list[str]:
        return ask(port, "/metrics").text.splitlines()

    # Who stepped down stays away for two such periods: so long its metrics say 0.
    flags = (f"--http=127.0.0.1:{port}", "--retry-period=2s")
    with site.candidate("ours", *flags) as ours:
        wait_until(lambda: ours.leads(site.journal))
        wait_until(lambda: f'{STATUS}{{name="{NAME}"}} 1.0' in metrics())
        found = metrics()
        site.api.annotate_lease(site.namespace, NAME, {STEP_DOWN: "true"})
        # client-go itself sets it to 0 only where it could not renew.
        wait_until(lambda: f'{STATUS}{{name="{NAME}"}} 0.0' in metrics())
        wait_until(lambda: "ours stopped leading" in told(site))
        ours.stop()
    return found


def told(site: Site) -> dict[str, dict[str, Any]]:
    """
    Return the Events about the Lease by who says what.
    """
    path = f"/api/v1/namespaces/{site.namespace}/events"
    found = {}
    for each in site.api.request("GET", path)["items"]:
        if each["involvedObject"]["kind"] == "Lease":
            who, what = each["message"].split(" ", 1)
            found[f"{who.split('_')[0]} {what.split(' (')[0]}"] = each
    return found


@pytest.mark.timeout(120)
def test_rule_14_a_term_is_told_in_client_gos_words(site: Site) -> None:
    theirs, ours = client_go_led(site), ours_led(site)

    lines = {line for line in theirs if not line.startswith("# HELP")}
    assert f"# TYPE {STATUS} gauge" in lines
    assert f'{STATUS}{{name="{NAME}"}} 1' in lines
    # Python writes each number with a decimal point.
    assert lines <= {line.removesuffix(".0") for line in ours}
    assert f"# TYPE {SLOW} counter" in ours

    said = told(site)
    for what in ("became leader", "stopped leading"):
        a, b = said[f"go {what}"], said[f"ours {what}"]
        assert a["reason"] == b["reason"] == "LeaderElection"
        assert a["type"] == b["type"] == "Normal"
        for field in ("kind", "apiVersion", "name", "namespace"):
            assert a["involvedObject"].get(field) == b["involvedObject"].get(field)
