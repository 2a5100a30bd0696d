"""
The operator beside real candidates on a real API server; the test is the kubelet.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.candidate import Candidate, boot_time, wait_until
from tests.helpers.operator import Operator
from tests.helpers.site import NAME, Site

pytestmark = [pytest.mark.kube, pytest.mark.slow]

LONG = ("--lease-duration", "20s", "--safety-margin", "1.4s")
"""Nobody waits for the end of such a lease here."""


def leader(site: Site, log: Path, *flags: str) -> Candidate:
    return site.candidate("a", *LONG, "--termination-log", str(log), *flags)


def killed(message: str, **more: object) -> dict[str, Any]:
    ended = {"exitCode": 137, "reason": "Error", "containerID": "containerd://1"}
    return {"terminated": {**ended, "message": message, **more}}


def test_a_standby_leads_as_soon_as_the_kubelet_reports_the_leader_s_end(
    site: Site, operator: Operator, tmp_path: Path
) -> None:
    log = tmp_path / "termination-log"
    with leader(site, log) as a:
        wait_until(lambda: site.role("a") == "leader")
        with site.candidate("b", *LONG) as b:
            wait_until(lambda: site.role("b") == "standby")
            # It knows the Lease and the Pod, and sees no reason to act.
            wait_until(lambda: operator.said(f"{NAME}: 0 containers terminated"))
            a.send(signal.SIGKILL)
            a.wait()
            told = boot_time()
            site.report("a", state=killed(log.read_text()))
            wait_until(lambda: b.leads(site.journal))
            first = next(e for e in site.journal.entries() if e.identity[0] == "b")
            assert first.at - told < 5  # of twenty; milliseconds on a quiet machine
            # It says so when its write is answered, and the standby sees that, too.
            wait_until(lambda: operator.said("container main of"))
            wait_until(lambda: site.role("a") == "standby")  # the dead cannot
            assert site.cost("a") is None
            wait_until(lambda: site.role("b") == "leader")
            assert b.stop() == 0
    assert site.journal.most_at_once() == 1
    assert "ended: Error" in site.notes()["history"]
    assert "entrypoint" not in site.notes()


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"reason": "Unknown"}, "terminated for the reason 'Unknown'"),
        ({"message": "the workload wrote over it\n"}, "0 containers terminated"),
        ({"containerID": ""}, "names no container"),
    ],
)
def test_a_report_that_proves_nothing_releases_nothing(
    site: Site, operator: Operator, tmp_path: Path, change: dict[str, str], because: str
) -> None:
    log = tmp_path / "termination-log"
    with leader(site, log) as a:
        wait_until(lambda: site.role("a") == "leader")
        a.send(signal.SIGKILL)
        a.wait()
        holder = log.read_text().rstrip()
        before = operator.times(because)
        site.report("a", state=killed(**{"message": log.read_text(), **change}))
        wait_until(lambda: operator.times(because) > before)
        assert site.lease()["spec"]["holderIdentity"] == holder
    assert not operator.said("released")


@pytest.mark.parametrize("sharing", ["shareProcessNamespace", "hostPID"])
def test_a_pod_that_shares_processes_is_never_released(
    site: Site, operator: Operator, tmp_path: Path, sharing: str
) -> None:
    log = tmp_path / "termination-log"
    site.pod_spec[sharing] = True
    with leader(site, log):
        never_released(site, operator, log, because=sharing)


def test_a_leader_whose_lease_does_not_say_where_it_runs_is_never_released(
    site: Site, operator: Operator, tmp_path: Path
) -> None:
    log = tmp_path / "termination-log"
    with leader(site, log, "--no-lease-notes"):
        never_released(site, operator, log, because="is not known")


def never_released(site: Site, operator: Operator, log: Path, *, because: str) -> None:
    """
    Report the end of a leader that in truth goes on.
    """
    wait_until(lambda: site.role("a") == "leader")
    holder = log.read_text().rstrip()
    before = operator.times(because)
    site.report("a", state=killed(log.read_text()))
    wait_until(lambda: operator.times(because) > before)
    assert site.lease()["spec"]["holderIdentity"] == holder
    assert not operator.said("released")
