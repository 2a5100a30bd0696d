"""
The tables for those who come from elsewhere leave nothing out, and name what exists.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import k8s_leader
from k8s_leader.app.options import Options
from k8s_leader.settings import SETTINGS

DOCS = Path(__file__).parents[2] / "docs"

TABLES = {
    "Topshelf.Leader": (
        ("library.md", "## From Topshelf.Leader"),
        (
            *("WhenStartedAsLeader", "WhenStarted", "WhenStopped", "SetNodeId"),
            *("WhenLeaderIsElected", "WithHeartBeat", "WithLeaseManager"),
            *("RenewLeaseEvery", "AquireLeaseEvery", "LeaseLength", "AssignLeader"),
            *("ILeaseManager", "AcquireLease", "RenewLease", "ReleaseLease"),
            *("ILeaseLengthCalculator", "WithInMemoryLeaseManager"),
        ),
    ),
    "the flags of client-go": (
        ("library.md", "## From client-go's flags"),
        (
            *("--leader-elect-lease-duration", "-renew-deadline", "-retry-period"),
            *("--leader-elect-resource-name", "-resource-namespace"),
            *("--leader-elect-resource-lock", "--leader-elect=false"),
        ),
    ),
    "client-go's LeaderElectionConfig": (
        ("comparison.md", "## client-go's LeaderElectionConfig"),
        (
            *("Lock", "LeaseDuration", "RenewDeadline", "RetryPeriod", "Name"),
            *("OnStartedLeading", "OnStoppedLeading", "OnNewLeader", "WatchDog"),
            *("ReleaseOnCancel", "Coordinated"),
        ),
    ),
}


def rows(page: str, heading: str) -> list[tuple[str, str]]:
    """
    Return what stands there, and what stands here.
    """
    text = (DOCS / page).read_text().partition(f"{heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in text.splitlines() if "|" in line]
    return [(there, here) for there, here in lines[2:]]


@pytest.mark.parametrize(("where", "features"), TABLES.values(), ids=TABLES)
def test_each_feature_has_a_row(
    where: tuple[str, str], features: tuple[str, ...]
) -> None:
    named = {
        word.partition("(")[0]
        for there, here in rows(*where)
        for word in re.findall(r"`([^`]+)`", there)
        if here.strip()
    }
    assert set(features) <= named


@pytest.mark.parametrize(("where", "_features"), TABLES.values(), ids=TABLES)
def test_what_stands_here_exists(
    where: tuple[str, str], _features: tuple[str, ...]
) -> None:
    here = " ".join(here for _, here in rows(*where))
    options = set(re.findall(r"`(\w+)=", here)) - {"lease"}
    assert options <= Options.__annotations__.keys()
    flags = set(re.findall(r"`(--[a-z-]+)[ `]", here))
    assert flags <= {flag for s in SETTINGS for flag in (s.flag, *s.aliases)}
    for name in re.findall(r"`(?:candidate\.)(\w+)\(\)", here):
        assert hasattr(k8s_leader.Candidate, name)
