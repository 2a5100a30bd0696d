"""
Orders to real candidates on a real API server: by command, and by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from k8s_leader.cli import main
from tests.helpers.candidate import Candidate, boot_time, wait_until
from tests.helpers.cluster import LEASE_RULES
from tests.helpers.site import LIST_PODS, Site

pytestmark = [pytest.mark.kube, pytest.mark.slow]

Trio = dict[str, Candidate]
Said = pytest.CaptureFixture[str]


@pytest.fixture
def trio(site: Site) -> Iterator[Trio]:
    """
    The leader ``a`` and the standbys ``b`` and ``c``.
    """
    with site.candidate("a") as a:
        wait_until(lambda: site.role("a") == "leader", why="a leads")
        with site.candidate("b") as b, site.candidate("c") as c:
            wait_until(lambda: site.role("b") == "standby", why="b waits")
            wait_until(lambda: site.role("c") == "standby", why="c waits")
            yield {"a": a, "b": b, "c": c}


def annotate(site: Site, **orders: str | None) -> None:
    """
    Do what ``kubectl annotate lease reports k8s-leader.io/...`` does.
    """
    notes = {f"k8s-leader.io/{k.replace('_', '-')}": v for k, v in orders.items()}
    site.api.patch(
        f"{site.api.lease_path(site.namespace)}/reports",
        {"metadata": {"annotations": notes}},
    )


def holder(site: Site) -> str:
    return str(site.lease()["spec"].get("holderIdentity") or "")


def follow(site: Site) -> None:
    def follows() -> bool:
        now = holder(site)
        return bool(now) and not now.startswith("a_")

    wait_until(follows, why="a follows")


def test_step_down_moves_the_leadership_at_once_and_waits_for_it(
    trio: Trio, site: Site, capsys: Said
) -> None:
    assert main(["step-down", "reports", "--yes", "--wait"]) == 0
    out = capsys.readouterr().out
    assert holder(site)[:2] in ("b_", "c_")
    assert "was asked to step down" in out
    assert out.index("led by a_") < out.index("done after") < out.rindex("led by ")
    wait_until(lambda: len(site.journal.tokens()) == 2, why="the next one works")
    follow_token = site.journal.tokens()[-1]
    ended = max(e.at for e in site.journal.entries() if e.token != follow_token)
    began = min(e.at for e in site.journal.entries() if e.token == follow_token)
    assert 0 < began - ended < 1.0  # milliseconds, on a quiet machine
    assert site.journal.most_at_once() == 1
    assert "step-down" not in site.notes()


def test_a_step_down_typed_by_hand_is_obeyed_once(trio: Trio, site: Site) -> None:
    annotate(site, step_down="true")
    follow(site)
    assert "step-down" not in site.notes()
    assert len(site.journal.tokens()) <= 2


def test_an_old_order_deposes_no_later_leader(trio: Trio, site: Site) -> None:
    first = site.lease()["spec"]
    old = f"{first['leaseTransitions']}/{first['holderIdentity']}"
    assert main(["step-down", "reports", "--yes", "--wait"]) == 0
    leads = holder(site)
    annotate(site, step_down=old, switchover=f"a from {old}")
    seen = {site.lease()["spec"]["renewTime"]}

    def renewals() -> int:
        seen.add(site.lease()["spec"]["renewTime"])
        return len(seen)

    wait_until(lambda: renewals() > 3, why="it renews, having seen the orders")
    assert holder(site) == leads


@pytest.mark.parametrize("target", ["b", "c"])
def test_a_switchover_lands_on_its_target(
    trio: Trio, site: Site, target: str, capsys: Said
) -> None:
    words = ["switchover", "reports", "--to", target, "--yes", "--wait"]
    assert main(words) == 0
    assert holder(site).startswith(f"{target}_")
    assert "switchover" not in site.notes()
    assert site.lease()["spec"]["leaseTransitions"] == 1
    assert f"led by {target}_" in capsys.readouterr().out


def test_a_switchover_typed_by_hand_names_the_pod(trio: Trio, site: Site) -> None:
    annotate(site, switchover="c")
    follow(site)
    assert holder(site).startswith("c_")


def test_a_target_that_does_not_come_keeps_nobody_from_leading_for_long(
    trio: Trio, site: Site, capsys: Said
) -> None:
    began = boot_time()
    words = ["switchover", "reports", "--to", "ghost", "--yes", "--force"]
    assert main(words) == 0
    assert "no known candidate" in capsys.readouterr().err
    wait_until(lambda: len(site.journal.tokens()) == 2, why="somebody leads")
    assert 4.9 < boot_time() - began < 20


def test_what_contradicts_the_case_is_refused_and_changes_nothing(
    trio: Trio, site: Site, capsys: Said
) -> None:
    notes = {k: v for k, v in site.notes().items() if "token" not in k}
    for words, said in (
        (["switchover", "reports", "--to", "ghost"], "ghost is no candidate"),
        (["switchover", "reports", "--to", "a"], "a leads"),
        (["switchover", "reports"], "--to is missing"),
        (["switchover", "reports", "--to", "b", "--to", "c"], "two targets: 'b'"),
        (["step-down", "nothing-of-this-name"], "there is no Lease"),
    ):
        assert main([*words, "--yes"]) in (65, 66, 78)
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1, "one message"
    assert main(["step-down", "reports"]) == 78  # no terminal to ask
    assert "--yes" in capsys.readouterr().err
    assert {k: v for k, v in site.notes().items() if "token" not in k} == notes


def test_nonsense_typed_by_hand_is_one_message_and_moves_nobody(
    trio: Trio, site: Site, capsys: Said
) -> None:
    nonsense = {"paused": "maybe", "step-down": "3/", "switchover": "b or c"}
    annotate(site, **{name.replace("-", "_"): v for name, v in nonsense.items()})
    before = site.lease()["spec"]

    def told(name: str) -> bool:
        said = f"k8s-leader.io/{name} is '{nonsense[name]}', which is ignored"
        return all(one.text().count(said) == 1 for one in trio.values())

    wait_until(lambda: all(told(name) for name in nonsense), why="each says it")
    renewed = before["renewTime"]
    wait_until(lambda: site.lease()["spec"]["renewTime"] != renewed, why="it renews")
    after = {**site.lease()["spec"], "renewTime": renewed}
    assert after == before
    assert main(["status", "reports"]) == 0
    out = capsys.readouterr().out
    assert out.count("which is ignored") == 3
    assert all(told(name) for name in nonsense), "and no second time"


def test_a_pause_keeps_standbys_from_a_released_lease_until_it_is_resumed(
    trio: Trio, site: Site, capsys: Said
) -> None:
    assert main(["pause", "reports", "--yes"]) == 0
    assert main(["status", "reports"]) == 0
    assert "PAUSED" in capsys.readouterr().out
    wait_until(
        lambda: all("paused: nobody" in one.text() for one in trio.values()),
        why="each says so",
    )
    for words in (["step-down"], ["switchover", "--to", "b"]):
        assert main([words[0], "reports", *words[1:], "--yes"]) == 65
        assert "is paused" in capsys.readouterr().err
    assert trio["a"].stop() == 0
    assert holder(site) == ""
    annotate(site, paused="yes, please")  # nonsense pauses nothing ...
    wait_until(lambda: holder(site), why="so somebody leads")
    # Maybe the other one, which need not be slower to look.
    told = "allowed: true or false"
    wait_until(lambda: told in trio["b"].text(), why="b says so")
    assert main(["resume", "reports", "--yes"]) == 0
    assert "paused" not in site.notes()


def test_resume_lets_a_standby_take_what_was_released(trio: Trio, site: Site) -> None:
    assert main(["pause", "reports", "--yes"]) == 0
    wait_until(lambda: "paused: nobody" in trio["a"].text(), why="a knows")
    assert trio["a"].stop() == 0
    assert holder(site) == ""
    began = boot_time()
    assert main(["resume", "reports", "--yes"]) == 0
    wait_until(lambda: holder(site), why="a standby leads")
    assert boot_time() - began < 5
    assert main(["resume", "reports", "--yes"]) == 0


def be(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str, rules: list[dict[str, Any]]
) -> None:
    """
    Go on as somebody with these rights only.
    """
    token = site.api.service_account(site.namespace, name, rules=rules)
    path = site.api.kubeconfig(token, namespace=site.namespace)
    monkeypatch.setenv("KUBECONFIG", str(path))


def test_without_the_rights_the_rule_to_add_is_printed(
    trio: Trio, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    reader = {**LEASE_RULES[0], "verbs": ["get"]}
    for name, rules, words, missing in (
        ("reader", [reader], ["step-down", "reports"], "update"),
        ("blind", [*LEASE_RULES], ["switchover", "reports", "--to", "b"], '["pods"]'),
    ):
        be(site, monkeypatch, name, rules)
        assert main([*words, "--yes"]) == 77
        assert missing in capsys.readouterr().err
    assert holder(site).startswith("a_")


def test_with_exactly_the_documented_rights_a_switchover_works(
    trio: Trio, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["reports"],
        "verbs": ["get", "update"],
    }
    be(site, monkeypatch, "person", [lease, LIST_PODS])
    assert main(["switchover", "reports", "--to", "c", "--yes", "--wait"]) == 0
