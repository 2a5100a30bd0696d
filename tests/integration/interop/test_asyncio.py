"""
kubernetes_asyncio's elector among ours on one Lease: it never releases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import SHORT, Candidate, Journal, boot_time, wait_until
from tests.helpers.cluster import LEASE_RULES
from tests.helpers.peers import Campaign, asyncio_peer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers.cluster import ApiServer
    from tests.helpers.lifeline import Lifeline

pytestmark = [pytest.mark.kube, pytest.mark.slow]

LEASE = "reports"
DURATION = 4


@pytest.mark.timeout(180)
def test_ours_and_kubernetes_asyncio_take_turns_on_one_lease(
    api_server: ApiServer, namespace: str, lifeline: Lifeline, tmp_path: Path
) -> None:
    token = api_server.service_account(namespace, "candidate", rules=LEASE_RULES)
    config = api_server.kubeconfig(token, namespace=namespace)
    flags = ("--kubeconfig", str(config), *SHORT)
    journal = Journal(tmp_path / "journal")
    campaign = Campaign(
        kubeconfig=config,
        namespace=namespace,
        lease=LEASE,
        identity="asyncio",
        lease_duration=DURATION,
        renew_deadline=3,
        retry_period=1,
    )
    log = journal.path.with_name("b.log")

    def renewed() -> str:
        path = api_server.lease_path(namespace, LEASE)
        return str(api_server.request("GET", path)["spec"]["renewTime"])

    with Candidate(LEASE, journal, name="a", lifeline=lifeline, flags=flags) as a:
        wait_until(journal.tokens)
        with asyncio_peer(campaign, lifeline=lifeline) as peer:
            peer.wait_for("campaigning")
            a.stop()
            led = peer.wait_for("started_leading")
            assert led.boot > journal.entries()[-1].at
            with Candidate(LEASE, journal, name="b", lifeline=lifeline, flags=flags):
                wait_until(lambda: "the leader is asyncio" in log.read_text())
                seen = renewed()
                wait_until(lambda: renewed() != seen, why="it renews")
                _see_it_waits_and_takes(peer.kill, journal)
    assert journal.tokens() == sorted(set(journal.tokens()))


def _see_it_waits_and_takes(kill: Callable[[], None], journal: Journal) -> None:
    before = boot_time()
    kill()
    wait_until(lambda: len(journal.tokens()) == 2)
    start = next(e.at for e in journal.entries() if e.token == journal.tokens()[1])
    # It has just renewed, and does once a second.
    assert start - before > DURATION - 2.5
