"""
The other projects' candidates do what the interoperability tests assume of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.cluster import LEASE_RULES
from tests.helpers.peers import Campaign, asyncio_peer, client_go_peer

if TYPE_CHECKING:
    from tests.helpers.cluster import ApiServer
    from tests.helpers.lifeline import Lifeline
    from tests.helpers.peers import Peer

pytestmark = [pytest.mark.kube, pytest.mark.slow]


def _campaign(api: ApiServer, namespace: str, identity: str) -> Campaign:
    token = api.service_account(namespace, identity, rules=LEASE_RULES)
    return Campaign(
        kubeconfig=api.kubeconfig(token, namespace=namespace),
        namespace=namespace,
        lease="reports",
        identity=identity,
        lease_duration=4,
        renew_deadline=3,
        retry_period=1,
    )


def test_client_go_releases_on_sigterm_and_another_one_takes_over(
    api_server: ApiServer, namespace: str, lifeline: Lifeline
) -> None:
    first = _campaign(api_server, namespace, "first")
    second = _campaign(api_server, namespace, "second")
    with (
        client_go_peer(first, lifeline=lifeline) as leader,
        client_go_peer(second, lifeline=lifeline) as standby,
    ):
        leading = [p for p in (leader, standby) if _leads(p)]
        assert len(leading) == 1
        other = standby if leading == [leader] else leader
        leading[0].terminate()

        assert leading[0].wait() == 0
        stopped = leading[0].wait_for("stopped_leading")
        started = other.wait_for("started_leading")

    assert started.boot - stopped.boot < 4
    lease = api_server.lease(namespace, "reports")
    assert lease is not None
    assert lease["spec"]["leaseTransitions"] == 1


def _leads(peer: Peer) -> bool:
    event = peer.wait_for("new_leader")
    return event.leader == event.identity


def test_client_go_and_asyncio_take_turns_on_one_lease(
    api_server: ApiServer, namespace: str, lifeline: Lifeline
) -> None:
    first = _campaign(api_server, namespace, "first")
    second = _campaign(api_server, namespace, "second")
    with asyncio_peer(first, lifeline=lifeline) as leader:
        leader.wait_for("started_leading")
        with client_go_peer(second, lifeline=lifeline) as standby:
            standby.wait_for("new_leader")
            leader.kill()

            standby.wait_for("started_leading")
