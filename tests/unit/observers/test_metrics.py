"""
Metrics count what happened, in a form that scrapers of both formats understand.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.utils import floatToGoString

from k8s_leader.election.events import State
from k8s_leader.observers.families import FAMILIES, LOSS_REASONS
from k8s_leader.observers.gathering import answer
from k8s_leader.observers.metrics import TallyCollector, export, render
from k8s_leader.observers.port import (
    ClockJumped,
    HolderSeen,
    RecordSeen,
    WorkloadExited,
    WorkloadStarted,
)
from k8s_leader.observers.tally import Distribution
from k8s_leader.observers.text import _number
from tests.helpers.notices import Story


def scraped(story: Story, *, openmetrics: bool = False) -> str:
    collector = TallyCollector()
    collector.add(story.tally)
    return answer(collector, openmetrics=openmetrics)[0].decode()


def busy() -> Story:
    story = Story()
    story.lead()
    story.tell(WorkloadStarted(token=7, pid=42))
    story.wait(3)
    story.answer("renew", left=10.5)
    story.answer("renew", error="LeaseUnavailableError", seconds=3.0)
    story.tell(HolderSeen(holder='odd"\\\nname'))
    return story


def test_a_renewal_is_counted_with_what_it_had_left() -> None:
    story = busy()
    assert story.value("renewals_total", "success") == 1
    assert story.value("renewals_total", "error") == 1
    assert story.value("heartbeats_total", "leader") == 1
    assert story.value("heartbeats_total", "standby") == 1
    margin = story.tally.report()["k8s_leader_lease_margin_seconds"][()]
    assert isinstance(margin, Distribution)
    by_bound = dict(zip(margin.bounds, margin.counts, strict=True))
    assert (by_bound[10.0], by_bound[12.0], margin.counts[-1]) == (0, 1, 1)
    assert margin.total == 10.5


def test_a_value_on_a_bound_is_counted_under_it() -> None:
    story = Story()
    story.answer("renew", left=3.0)
    story.answer("renew", left=-1.0)
    margin = story.tally.report()["k8s_leader_lease_margin_seconds"][()]
    assert isinstance(margin, Distribution)
    by_bound = dict(zip(margin.bounds, margin.counts, strict=True))
    assert (by_bound[0.5], by_bound[2.0], by_bound[3.0]) == (1, 1, 2)
    assert margin.total == 3.0, "what is below zero counts as zero"


@pytest.mark.parametrize(
    ("path", "reason", "counted"),
    [
        ([State.STOPPING, State.RELEASING], "SIGTERM", "released"),
        ([State.STOPPING, State.RELEASING], "b_2 is preferred", "preempted"),
        ([State.RELEASING], "the workload ended", "workload-ended"),
        ([State.LOSING], "deadline", "deadline"),
        ([State.LOSING], "stolen", "stolen"),
        ([State.STOPPING, State.LOSING], "stuck", "stuck"),
        ([State.LOSING], "something new", "other"),
    ],
)
def test_each_term_ends_for_one_reason_of_a_fixed_list(
    path: list[State], reason: str, counted: str
) -> None:
    story = Story()
    story.lead()
    assert story.value("acquisitions_total") == 1
    for state in path:
        story.enter(state, reason=reason)
    found = {name: story.value("losses_total", name) for name in LOSS_REASONS}
    assert found == {name: float(name == counted) for name in LOSS_REASONS}


def test_a_resumed_term_is_no_acquisition() -> None:
    story = Story()
    story.grant()
    story.enter(State.LEADING)
    assert story.value("is_leader") == 1
    assert story.value("acquisitions_total") == 0


def test_transitions_and_vacancies_are_those_that_were_seen() -> None:
    story = Story()
    story.tell(HolderSeen(holder="b_2"))
    assert story.value("observed_transitions_total") == 0, "the first is no change"
    story.tell(HolderSeen(holder=""))
    story.wait(0.04)
    story.tell(HolderSeen(holder="c_3"))
    assert story.value("observed_transitions_total") == 1
    vacancy = story.tally.report()["k8s_leader_takeover_duration_seconds"][()]
    assert isinstance(vacancy, Distribution)
    assert (vacancy.counts[-1], round(vacancy.total, 3)) == (1, 0.04)
    story.tell(HolderSeen(holder="c_3"))
    assert story.value("observed_transitions_total") == 1


def test_others_terms_are_seen_to_end_in_three_ways() -> None:
    """
    Who leaves takes its last counts with it: those who stay tell of them.
    """
    story = Story()
    story.tell(HolderSeen(holder="b_2"))
    story.tell(RecordSeen(token=8, transitions=4, released_by="b_2"))
    story.tell(HolderSeen(holder=""))
    assert story.ends() == {"released": 1, "vanished": 0, "replaced": 0}
    story.tell(RecordSeen(token=8, transitions=5), HolderSeen(holder="c_3"))
    story.tell(HolderSeen(holder="d_4"))  # it expired, and was taken over
    assert story.ends() == {"released": 1, "vanished": 0, "replaced": 1}
    story.tell(HolderSeen(holder=""))
    assert story.ends() == {"released": 1, "vanished": 1, "replaced": 1}
    story.tell(HolderSeen(holder=story.status.candidacy.identity))
    story.tell(HolderSeen(holder=""))  # our own end is a loss of ours
    assert story.ends() == {"released": 1, "vanished": 1, "replaced": 1}


def test_a_standby_tells_of_the_record_and_a_leader_of_its_own_token_first() -> None:
    story = Story()
    story.tell(RecordSeen(token=41, transitions=3))
    assert story.value("lease_fencing_token") == 41
    assert story.value("fencing_token") == 0
    assert story.value("lease_transitions") == 3
    grant = story.lead()
    assert story.value("lease_fencing_token") == max(41, grant.token or 0)
    story.tell(RecordSeen(token=900, transitions=4))
    assert story.value("lease_fencing_token") == 900


def test_jumps_of_the_clock_and_requests_to_the_api_server_are_counted() -> None:
    story = Story()
    assert story.value("api_requests_total", "update", "200") == 0
    story.sent["update", "409"] = 2
    story.tell(ClockJumped(), ClockJumped())
    assert story.value("api_requests_total", "update", "409") == 2
    assert story.value("clock_jumps_total") == 2


def test_a_stop_is_timed_and_an_end_by_itself_is_not() -> None:
    story = Story()
    story.lead()
    story.tell(WorkloadStarted(token=7), WorkloadExited(token=7, code=1))
    story.enter(State.RELEASING)
    story.enter(State.STANDBY)
    story.wait(500)
    story.lead()
    story.enter(State.STOPPING)
    story.wait(0.2)
    story.tell(WorkloadExited(token=8, code=143), WorkloadExited(token=8))
    stops = story.tally.report()["k8s_leader_workload_stop_duration_seconds"][()]
    assert isinstance(stops, Distribution)
    assert (stops.counts[-1], round(stops.total, 3)) == (1, 0.2)
    exits = {code: story.value("workload_exits_total", code) for code in ("1", "143")}
    assert exits == {"1": 1, "143": 1}
    assert story.value("workload_exits_total", "none") == 1


def test_instants_are_unix_time_and_zero_where_there_is_none() -> None:
    story = Story()
    names = ("last_renew", "last_contact", "lease_expiry", "workload_start")
    assert {story.value(f"{name}_timestamp_seconds") for name in names} == {0.0}
    grant = story.lead()
    expected = story.clock.wall() + grant.until - story.clock.now()
    found = story.value("lease_expiry_timestamp_seconds")
    assert found == pytest.approx(expected)


def test_exactly_one_state_is_set() -> None:
    story = busy()
    states = {state: story.value("state", state.value) for state in State}
    assert states == {state: float(state is State.LEADING) for state in State}


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("story", [Story(), busy()], ids=["fresh", "busy"])
def test_every_metric_is_there_from_the_first_scrape_and_parses(
    story: Story, openmetrics: bool
) -> None:
    text = scraped(story, openmetrics=openmetrics)
    parse = openmetrics_parser if openmetrics else parser
    parsed = list(parse.text_string_to_metric_families(text))
    samples = {sample.name for family in parsed for sample in family.samples}
    for family in FAMILIES:
        name = f"{family.name}_count" if family.kind == "histogram" else family.name
        assert name in samples
    for family in parsed:
        for sample in family.samples:
            assert sample.name.startswith(("k8s_leader_", "leader_election_"))
            assert "_created" not in sample.name


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("story", [Story(), busy()], ids=["fresh", "busy"])
def test_a_scrape_is_byte_for_byte_what_prometheus_client_says(
    story: Story, openmetrics: bool
) -> None:
    registry = CollectorRegistry()
    collector = export(story.tally, registry)
    said = answer(collector, openmetrics=openmetrics)
    assert said == render(registry, openmetrics=openmetrics)


def test_series_do_not_grow_with_history() -> None:
    story = busy()
    before = len(scraped(story).splitlines())
    for number in range(1000):
        story.tell(HolderSeen(holder=f"other_{number}"), HolderSeen(holder=""))
        story.enter(State.LOSING, reason=f"reason {number}")
        story.enter(State.STANDBY)
        story.lead()
    story.tell(WorkloadExited(token=1, code=0))
    assert len(scraped(story).splitlines()) == before


def test_candidates_of_one_process_share_a_registry() -> None:
    registry = CollectorRegistry()
    one, two = Story(lease="one"), Story(lease="two")
    collector = export(one.tally, registry)
    assert export(two.tally, registry) is collector
    two.lead()

    def leads(lease: str) -> float | None:
        labels = {"lease": lease, "lease_namespace": "shop"}
        return registry.get_sample_value("k8s_leader_is_leader", labels)

    assert (leads("one"), leads("two")) == (0.0, 1.0)
    text = render(registry, openmetrics=False)[0].decode()
    assert text.count("# TYPE k8s_leader_is_leader gauge") == 1
    collector.remove(two.tally)
    assert (leads("one"), leads("two")) == (0.0, None)


def test_two_candidates_of_one_lease_are_one_series_which_leads_if_one_does() -> None:
    registry = CollectorRegistry()
    one, two = Story(), Story()
    export(one.tally, registry)
    export(two.tally, registry)
    one.lead()
    labels = {"lease": "reports", "lease_namespace": "shop"}
    assert registry.get_sample_value("k8s_leader_is_leader", labels) == 1.0
    name = {"name": "reports"}
    assert registry.get_sample_value("leader_election_master_status", name) == 1.0


def test_a_workloads_multiprocess_directory_gets_no_file_of_ours(
    tmp_path: Path,
) -> None:
    code = (
        "from prometheus_client import CollectorRegistry\n"
        "from tests.unit.observers.test_metrics import busy, scraped\n"
        "text = scraped(busy())\n"
        "assert 'k8s_leader_is_leader{' in text, text\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@given(st.floats() | st.integers(-(10**9), 10**9).map(float))
def test_numbers_are_written_as_prometheus_client_writes_them(value: float) -> None:
    written = floatToGoString(value)  # type: ignore[no-untyped-call]  # ships none
    # Older releases put a 0 before an exponent of two digits, which Go does not.
    assert _number(value) == re.sub(r"e\+0(\d\d)$", r"e+\1", written)
