"""
`k8s-leader run` on a real kube-apiserver, alone and beside client-go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.candidate import (
    LASTING,
    SHORT,
    Candidate,
    Journal,
    boot_time,
    wait_until,
)
from tests.helpers.cluster import LEASE_RULES
from tests.helpers.peers import Campaign, client_go_peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.helpers.cluster import ApiServer
    from tests.helpers.lifeline import Lifeline

pytestmark = [pytest.mark.kube, pytest.mark.slow]

NAME = "reports"


class Site:
    """
    One namespace of an API server, with a service account like a pod's.
    """

    def __init__(self, api: ApiServer, journal: Journal, lifeline: Lifeline) -> None:
        self.api, self.journal, self.lifeline = api, journal, lifeline
        self.namespace = api.create_namespace()
        token = api.service_account(self.namespace, "candidate", rules=LEASE_RULES)
        self.kubeconfig = api.kubeconfig(token, namespace=self.namespace)

    def candidate(
        self, name: str, *, mode: str = "obedient", flags: Sequence[str] = SHORT
    ) -> Candidate:
        return Candidate(
            NAME,
            self.journal,
            name=name,
            lifeline=self.lifeline,
            flags=("--kubeconfig", str(self.kubeconfig), *flags),
            mode=mode,
        )

    def edit(self, *, labels: dict[str, str] | None = None, **spec: object) -> None:
        """
        Change the Lease as it is now: a renewal in between is no conflict.
        """
        self.api.patch(
            self.api.lease_path(self.namespace, NAME),
            {"spec": spec, "metadata": {"labels": labels or {}}},
        )

    def lease(self) -> dict[str, object]:
        body = self.api.lease(self.namespace, NAME)
        assert body is not None
        return body


@pytest.fixture
def site(api_server: ApiServer, journal: Journal, lifeline: Lifeline) -> Site:
    return Site(api_server, journal, lifeline)


def test_two_candidates_hand_over_on_a_real_lease(site: Site) -> None:
    journal = site.journal
    with site.candidate("a") as a:
        wait_until(journal.tokens)
        with site.candidate("b") as b:
            wait_until(lambda: "the leader is" in b.text())
            assert a.stop() == 0
            wait_until(lambda: len(journal.tokens()) == 2)
            first, second = journal.tokens()
            start = next(e.at for e in journal.entries() if e.token == second)
            assert start - journal.last_of(first).at < 1.0
            assert b.stop() == 0
    assert first < second
    assert journal.most_at_once() == 1


def test_s8_an_edit_of_labels_is_no_loss(site: Site) -> None:
    journal = site.journal
    with site.candidate("a", flags=LASTING) as a:
        wait_until(journal.tokens)
        site.edit(labels={"team": "x"})
        edited = boot_time()
        wait_until(lambda: journal.entries()[-1].at > edited + 9)  # past the grant
        a.stop()
    assert len(journal.tokens()) == 1
    labels = site.lease()["metadata"]["labels"]  # type: ignore[index]  # plain JSON
    assert labels["team"] == "x"


def test_s3_a_blanked_lease_kills_the_workload_without_grace(site: Site) -> None:
    journal = site.journal
    with site.candidate("a", mode="stubborn") as a:
        wait_until(journal.tokens)
        blanked = boot_time()
        site.edit(holderIdentity="", leaseDurationSeconds=1)
        wait_until(lambda: len(journal.tokens()) == 2)
        first = journal.tokens()[0]
        assert journal.last_of(first).at < blanked + 1.0
        a.stop()
    assert journal.most_at_once() == 1


def test_s12_a_blanked_lease_is_not_taken_under_its_holder(site: Site) -> None:
    journal = site.journal
    with site.candidate("a") as a:
        wait_until(journal.tokens)
        with site.candidate("b") as b:
            wait_until(lambda: "the leader is" in b.text())
            site.edit(holderIdentity="")
            wait_until(lambda: len(journal.tokens()) == 2)
            # Only the former holder knows at once that nothing of it runs any more.
            assert a.leads(journal)
            b.stop()
            a.stop()
    assert journal.most_at_once() == 1


def test_s3_a_deleted_lease_ends_the_term_and_tokens_go_on_growing(site: Site) -> None:
    journal = site.journal
    with site.candidate("a") as a:
        wait_until(journal.tokens)
        site.api.request("DELETE", site.api.lease_path(site.namespace, NAME))
        wait_until(lambda: len(journal.tokens()) == 2)
        a.stop()
    assert journal.tokens() == sorted(journal.tokens())
    assert journal.most_at_once() == 1


def test_s3_a_thief_ends_the_term(site: Site) -> None:
    journal = site.journal
    with site.candidate("a", mode="stubborn") as a:
        wait_until(journal.tokens)
        stolen = boot_time()
        site.edit(holderIdentity="thief")
        wait_until(lambda: "stolen" in a.text())
        wait_until(lambda: "every process of it is reaped" in a.text())
        assert journal.entries()[-1].at < stolen + 1.0
        a.stop()


def test_s2_no_workload_outlives_its_grant_when_the_api_server_hangs(
    own_api_server: ApiServer, journal: Journal, lifeline: Lifeline
) -> None:
    site = Site(own_api_server, journal, lifeline)
    with site.candidate("a", mode="stubborn") as a, site.candidate("b") as b:
        wait_until(journal.tokens)
        own_api_server.freeze()
        frozen = boot_time()
        led = a if a.leads(journal) else b
        wait_until(lambda: "workload gone" in led.text())
        assert journal.entries()[-1].at < frozen + 4.0 - 0.5
        own_api_server.thaw()
        wait_until(lambda: len(journal.tokens()) >= 2)
    assert journal.most_at_once() == 1


def test_a_missing_right_ends_with_77_and_the_rule_to_add(
    api_server: ApiServer, journal: Journal, lifeline: Lifeline
) -> None:
    namespace = api_server.create_namespace()
    token = api_server.service_account(namespace, "nobody", rules=[])
    kubeconfig = api_server.kubeconfig(token, namespace=namespace)
    flags = ("--kubeconfig", str(kubeconfig), *SHORT)
    with Candidate(NAME, journal, name="a", lifeline=lifeline, flags=flags) as a:
        assert a.wait() == 77
    assert "coordination.k8s.io" in a.text()
    assert "resourceNames" in a.text()
    assert journal.tokens() == []


def test_client_go_and_ours_take_turns_on_one_lease(site: Site) -> None:
    journal = site.journal
    peer = Campaign(
        kubeconfig=site.kubeconfig,
        namespace=site.namespace,
        lease=NAME,
        identity="client-go",
        lease_duration=4,
        renew_deadline=3,
        retry_period=1,
    )
    with site.candidate("a") as a:
        wait_until(journal.tokens)
        with client_go_peer(peer, lifeline=site.lifeline) as go:
            assert (go.wait_for("new_leader").leader or "").startswith("a_")
            a.stop()
            led = go.wait_for("started_leading")
            assert led.boot > journal.entries()[-1].at
            with site.candidate("b") as b:
                wait_until(lambda: "the leader is client-go" in b.text())
                told = boot_time()
                go.terminate()
                go.wait()
                go.wait_for("stopped_leading")
                wait_until(lambda: len(journal.tokens()) == 2)
                b.stop()
    start = next(e.at for e in journal.entries() if e.token == journal.tokens()[1])
    # Not by when it says that it stopped: it has released before.
    assert start > told
    assert site.lease()["spec"]["leaseTransitions"] == 2  # type: ignore[index]  # JSON
