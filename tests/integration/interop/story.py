"""
The story of one Lease that ours and client-go's unmodified elector share.

It is lived once, on a real API server, and everything is kept: each state of the
record, each request, what the workloads wrote, what client-go said. The tests beside it
look for one rule each.

1. client-go, of the very name that our candidate's identity begins with, makes the
   Lease; ours stands by; somebody adds a label and a note; client-go leaves.
2. Ours leads; another client-go stands by for longer than a lease; a label is edited;
   ours leaves.
3. client-go leads and is cut off; ours takes over when its time is up; then client-go
   hears of the world again, and blanks the record that is no longer its own.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.chaos.history import State
from tests.chaos.record import RecordWatch
from tests.helpers.candidate import (
    SHORT,
    Candidate,
    Entry,
    Journal,
    boot_time,
    wait_until,
)
from tests.helpers.cluster import LEASE_RULES, ApiServer
from tests.helpers.peers import Campaign, Peer, client_go_peer
from tests.helpers.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from tests.helpers.lifeline import Lifeline

__all__ = ["DURATION", "TOKEN", "Seen", "Story"]

LEASE = "reports"
TOKEN = "k8s-leader.io/fencing-token"
DURATION = 4


class Seen(RecordWatch):
    """
    Keeps the Lease as it is written, with the boot time at which it was seen.
    """

    bodies: list[tuple[float, dict[str, Any]]]

    def _state(self, body: dict[str, Any]) -> State:
        self.bodies.append((boot_time(), body))
        return super()._state(body)

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self.bodies = []
        super().__init__(api, namespace, LEASE)


class Story:
    """
    Lives the story; afterwards it is only read.

    Attributes:
        bodies: each state of the Lease, with the boot time at which it was seen.
        requests: the API server's audit log, finished requests only.
        marks: instants that the tests need, by name (Unix seconds).
        tokens: of our terms, in order.
        told: what the second client-go was told of new leaders.
        led_before_the_end: whether it led while ours still did.
    """

    def __init__(self, api: ApiServer, *, folder: Path, lifeline: Lifeline) -> None:
        self._api, self._lifeline = api, lifeline
        self._namespace = api.create_namespace("interop")
        self._journal = Journal(folder / "journal")
        self._log = folder / "client-go.log"
        self.marks: dict[str, float] = {}
        self.told: list[str] = []
        self.led_before_the_end = True
        self._watch = Seen(api, self._namespace)
        self._live()
        self._watch.close()
        self.bodies = self._watch.bodies
        events = api.audit_events()
        self.requests = [e for e in events if e["stage"] == "ResponseComplete"]

    @property
    def entries(self) -> list[Entry]:
        return self._journal.entries()

    @property
    def tokens(self) -> list[int]:
        return self._journal.tokens()

    def of(self, account: str) -> list[dict[str, Any]]:
        """
        Return the requests of one candidate.
        """
        user = f"system:serviceaccount:{self._namespace}:{account}"
        return [e for e in self.requests if e["user"]["username"] == user]

    def changes(self) -> list[tuple[tuple[float, dict[str, Any]], ...]]:
        """
        Return each two states that follow each other.
        """
        return list(pairwise(self.bodies))

    # -- the three chapters ----------------------------------------------------------

    def _live(self) -> None:
        go, cut = self._peer("a"), TcpProxy.before(self._api.url)
        with cut, go:
            go.wait_for("started_leading")
            with self._ours("a") as a:
                wait_until(lambda: "the leader is a " in a.text())
                self._edit(labels={"team": "x"}, annotations={"note": "keep"})
                # Its watch may be opened only now: one request is not to decide.
                self._stand_by("ours", 6.0)
                go.terminate()
                go.wait()
                self._terms(1)
                with self._peer("go", server=cut.url) as second:
                    self._second_chapter(second, a)
                    with self._ours("b") as b:
                        self._third_chapter(second, b, cut)

    def _second_chapter(self, go: Peer, a: Candidate) -> None:
        self.told = [go.wait_for("new_leader").leader]
        self._edit(labels={"team": "y"})
        self._stand_by("go", DURATION + 1.5)
        self.led_before_the_end = any(e.event == "started_leading" for e in go.events)
        self.marks["leaves"] = boot_time()
        a.stop()
        self.marks["go_leads"] = go.wait_for("started_leading").boot

    def _third_chapter(self, go: Peer, b: Candidate, cut: TcpProxy) -> None:
        wait_until(lambda: "the leader is go " in b.text())
        cut.black_hole()
        self._terms(2)
        token = str(self.tokens[1])
        wait_until(lambda: token in self._published(), why="its token is published")
        # Then client-go's renewing is over, and its release waits for an answer.
        gives_up = "failed to renew lease"
        wait_until(lambda: gives_up in self._log.read_text(), why="client-go gives up")
        cut.pass_through()
        self._terms(3)
        b.stop()

    # -- the stage -------------------------------------------------------------------

    def _terms(self, count: int) -> None:
        wait_until(
            lambda: len(self.tokens) >= count, why=f"{count} terms of ours began"
        )

    def _published(self) -> list[str]:
        found = [body["metadata"].get("annotations") for _, body in self._watch.bodies]
        return [notes[TOKEN] for notes in found if notes and TOKEN in notes]

    def _stand_by(self, who: str, seconds: float) -> None:
        self.marks[f"{who}_stands_by"] = time.time()
        time.sleep(seconds)
        self.marks[f"{who}_stood_by"] = time.time()

    def _config(self, account: str, *, server: str | None = None) -> Path:
        token = self._api.service_account(self._namespace, account, rules=LEASE_RULES)
        return self._api.kubeconfig(token, namespace=self._namespace, server=server)

    def _peer(self, identity: str, *, server: str | None = None) -> Peer:
        campaign = Campaign(
            kubeconfig=self._config(f"go-{identity}", server=server),
            namespace=self._namespace,
            lease=LEASE,
            identity=identity,
            lease_duration=DURATION,
            renew_deadline=3,
            retry_period=1,
        )
        return client_go_peer(campaign, lifeline=self._lifeline, stderr=self._log)

    def _ours(self, name: str) -> Candidate:
        config = self._config(f"ours-{name}")
        flags = ("--kubeconfig", str(config), *SHORT)
        return Candidate(
            LEASE, self._journal, name=name, lifeline=self._lifeline, flags=flags
        )

    def _edit(self, **metadata: dict[str, str]) -> None:
        path = self._api.lease_path(self._namespace, LEASE)
        self._api.patch(path, {"metadata": metadata})
