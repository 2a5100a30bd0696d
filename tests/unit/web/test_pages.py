"""
What each page says, of a candidacy that the test tells.
"""

from __future__ import annotations

import gzip
import logging

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from k8s_leader.election.events import State
from k8s_leader.observers.port import HolderSeen, WorkloadStarted
from tests.helpers.http import ask
from tests.unit.web.conftest import Serve, Served


def test_leaderz_is_200_while_leading_and_503_otherwise(served: Served) -> None:
    assert ask(served.port, "/leaderz").status == 503
    grant = served.story.lead()
    assert ask(served.port, "/leaderz").status == 200
    served.story.clock.set(now=grant.until)
    assert ask(served.port, "/leaderz").status == 503, "the grant ended unnoticed"


def test_a_leader_that_stops_gets_no_more_traffic(served: Served) -> None:
    served.story.lead()
    served.story.enter(State.STOPPING)
    assert ask(served.port, "/leaderz").status == 503


@pytest.mark.parametrize("path", ["/leaderz", "/livez", "/readyz", "/metrics", "/"])
def test_head_is_get_without_a_body(served: Served, path: str) -> None:
    head = ask(served.port, path, method="HEAD")
    get = ask(served.port, path)
    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_a_standby_is_alive_and_ready(served: Served) -> None:
    served.story.enter(State.ACQUIRING, token=None)
    served.story.answer("acquire")
    served.story.enter(State.STANDBY, token=None)
    for path in ("/livez", "/readyz", "/healthz"):
        assert (ask(served.port, path).status, path) == (200, path)


def test_nobody_is_ready_before_the_store_has_answered(served: Served) -> None:
    served.story.answer("acquire", error="LeaseUnavailableError")
    assert ask(served.port, "/livez").status == 200
    answer = ask(served.port, "/readyz")
    assert answer.status == 503
    assert "[-]store failed: it has not answered yet\n" in answer.text
    assert answer.text.endswith("readyz check failed\n")


def test_an_outage_later_makes_nobody_unready(served: Served) -> None:
    served.story.answer("acquire")
    served.story.answer("renew", error="LeaseUnavailableError")
    assert ask(served.port, "/readyz").status == 200


def test_a_failed_check_is_named_and_verbose_names_all(served: Served) -> None:
    served.checks["guard"] = lambda: "it is stopped"
    served.story.answer("acquire")
    for path in ("/livez", "/readyz?verbose"):
        answer = ask(served.port, path)
        assert answer.status == 503
        assert "[-]guard failed: it is stopped\n" in answer.text
    served.checks["guard"] = lambda: None
    assert ask(served.port, "/livez").text == "ok\n"
    answer = ask(served.port, "/livez?verbose")
    assert answer.text == "[+]guard ok\n[+]grant ok\nlivez check passed\n"


def test_an_election_that_slept_through_its_grant_is_not_alive(served: Served) -> None:
    grant = served.story.lead()
    served.story.clock.set(now=grant.until + 0.5)
    assert ask(served.port, "/livez").status == 200, "it may be noticing right now"
    served.story.clock.set(now=grant.until + 1.5)
    assert ask(served.port, "/livez").status == 503


def test_the_status_of_a_leader_is_whole(serve: Serve) -> None:
    served = serve(peers=lambda: [{"identity": "b_2"}])
    served.story.lead()
    served.story.tell(WorkloadStarted(token=7, pid=42))
    served.story.answer("renew", error="LeaseUnavailableError")
    served.story.wait(2.5)
    status = ask(served.port, "/status").json()
    timing = served.story.timing
    assert status["timing"].pop("lease_duration") == 15.0
    assert status.pop("timing")
    assert status == {
        "identity": "a_1",
        "lease": "reports",
        "namespace": "shop",
        "version": "1.2.3",
        "state": "leading",
        "since": "2025-06-15T15:06:40.000Z",
        "reason": "acquired",
        "is_leader": True,
        "holder": "a_1",
        "paused": False,
        "fencing_token": 7,
        "term": 3,
        "grant": {
            "ends_in_seconds": round(15.0 - timing.safety_margin - 2.5, 3),
            "stops_in_seconds": 7.5,
        },
        "last_renewal": None,
        "last_contact": "2025-06-15T15:06:40.000Z",
        "store_reachable": True,
        "last_error": {
            "operation": "renew",
            "error": "LeaseUnavailableError",
            "message": "it broke",
            "at": "2025-06-15T15:06:40.000Z",
        },
        "workload": {
            "up": True,
            "pid": 42,
            "started": "2025-06-15T15:06:40.000Z",
            "last_exit_code": None,
            "ends_with_guard_by": None,
        },
        "peers": [{"identity": "b_2"}],
    }


def test_a_standby_shows_no_term_of_its_own(served: Served) -> None:
    served.story.lead()
    served.story.enter(State.LOSING, reason="stolen")
    served.story.enter(State.STANDBY)
    served.story.tell(HolderSeen(holder="b_2"))
    status = ask(served.port, "/status").json()
    assert (status["is_leader"], status["holder"]) == (False, "b_2")
    assert [status[key] for key in ("fencing_token", "term", "grant")] == [None] * 3
    assert "peers" not in status, "they are not known here"


def test_the_root_answers_as_the_old_sidecar_did(served: Served) -> None:
    assert ask(served.port, "/").json() == {"name": ""}
    served.story.tell(HolderSeen(holder="b_2"))
    assert ask(served.port, "/").json() == {"name": "b_2"}


@pytest.mark.parametrize(
    "accept",
    [
        *(None, "", "*/*", "text/plain", "text/html;q=0.9, */*;q=0.1", "nonsense"),
        *(";;;,,,", "text/plain; version=99.99.99", "application/json", "\xff"),
        "text/plain;version=" + "9" * 500,
        "application/openmetrics-text;version=1.0.0;q=0, text/plain",
        "application/openmetrics-text-but-another",
    ],
)
def test_whatever_is_accepted_the_text_format_is_the_default(
    served: Served, accept: str | None
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = ask(served.port, "/metrics", headers=headers)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = parser.text_string_to_metric_families(answer.text)
    assert len(list(families)) > 20


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3",
        "application/openmetrics-text; version=x.y",
        "text/html;q=0, Application/OpenMetrics-Text;q=0.1",
    ],
)
def test_openmetrics_is_for_those_who_ask(served: Served, accept: str) -> None:
    answer = ask(served.port, "/metrics", headers={"Accept": accept})
    kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.headers["content-type"] == kind
    assert answer.text.endswith("# EOF\n")
    families = openmetrics_parser.text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    assert len(list(families)) > 20


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=1.0", True),
        ("gzip;q=0", False),
        ("gzip; q = 0.0", False),
        ("br", False),
        ("x-gzipped", False),
        ("", False),
    ],
)
def test_gzip_is_for_those_who_ask(served: Served, coding: str, packed: bool) -> None:
    answer = ask(served.port, "/metrics", headers={"Accept-Encoding": coding})
    assert (answer.headers.get("content-encoding") == "gzip") is packed
    text = gzip.decompress(answer.body) if packed else answer.body
    assert b"k8s_leader_is_leader{" in text


@pytest.mark.parametrize("path", ["/nope", "/livez/", "//", "/%00", "/../etc/passwd"])
def test_an_unknown_path_is_told_what_there_is(served: Served, path: str) -> None:
    answer = ask(served.port, path)
    assert answer.status == 404
    assert "/leaderz" in answer.text
    assert path not in answer.text.split(), "nothing of the request comes back"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(served: Served, method: str) -> None:
    answer = ask(served.port, "/leaderz", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_every_answer_closes_its_connection_and_is_kept_by_no_cache(
    served: Served,
) -> None:
    for path in ("/", "/livez", "/metrics", "/nope"):
        headers = ask(served.port, path).headers
        assert headers["connection"] == "close"
        assert headers["cache-control"] == "no-store"
        assert headers["server"] == "k8s-leader"


def test_a_page_that_breaks_is_a_500_and_one_line_of_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> object:
        raise RuntimeError("no list")

    served = serve(peers=broken)
    with caplog.at_level(logging.ERROR):
        assert ask(served.port, "/status").status == 500
    assert [record.message for record in caplog.records] == ["a page failed: /status"]
    assert ask(served.port, "/livez").status == 200
