"""
Priority among real candidates on a real API server.
"""

from __future__ import annotations

import pytest

from k8s_leader.cli import main
from tests.helpers.candidate import wait_until
from tests.helpers.site import Site

pytestmark = [pytest.mark.kube, pytest.mark.slow]


def holder(site: Site) -> str:
    return str(site.lease()["spec"].get("holderIdentity") or "")


def test_the_higher_one_follows_and_who_never_leads_does_so_when_named(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.candidate("a") as a:
        wait_until(lambda: site.role("a") == "leader")
        # The lower ones stand by first: without a priority one of them would win.
        with (
            site.candidate("low", "--priority", "1") as low,
            site.candidate("never", "--priority", "0") as never,
        ):
            for name in ("low", "never"):
                wait_until(lambda n=name: site.role(n) == "standby")  # type: ignore[misc]
            with site.candidate("high") as high:
                wait_until(lambda: site.role("high") == "standby")
                assert a.stop() == 0
                wait_until(lambda: holder(site))
                assert holder(site).startswith("high_")
                assert main(["status", "reports"]) == 0
                assert "PRIORITY" in capsys.readouterr().out
                assert high.stop() == 0
            wait_until(lambda: holder(site).startswith("low_"))
            switchover = ["switchover", "reports", "--to", "never", "--yes", "--wait"]
            assert main(switchover) == 0
            assert holder(site).startswith("never_")
            assert low.stop() == 0
            assert never.stop() == 0
    assert site.journal.most_at_once() == 1
