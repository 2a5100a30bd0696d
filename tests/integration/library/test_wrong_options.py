"""
Options of the library that cannot be meant: one error, a fix, and nothing is started.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import k8s_leader
from k8s_leader.app.options import checked_identity
from k8s_leader.leases.memory import process_lease
from k8s_leader.settings import names

_NUMBERS = itertools.count()


class Half:
    """
    A lease manager that was not finished.
    """

    def acquire(self, identity: str, duration: float) -> bool:
        return True


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt": ({"renew_evry": 3.0}, "renew_evry is unknown.*did you mean renew_ev"),
    "unlike any": ({"zzz": 1}, "zzz is unknown; allowed: the options of"),
    "on_loss": ({"on_loss": "Carry-On"}, "on_loss is 'Carry-On'; allowed: kill, "),
    "text as a time": ({"lease_duration": "15s"}, "lease_duration is '15s'"),
    "no number": ({"renew_every": float("nan")}, "renew_every is nan"),
    "rare heartbeat": ({"heartbeat_every": float("inf")}, "heartbeat_every is inf"),
    "text heartbeat": ({"heartbeat_every": "30s"}, "heartbeat_every is '30s'"),
    "no function": ({"heartbeat": 30}, "heartbeat is 30; allowed: a function"),
    "no callback": ({"on_leader_elected": True}, "on_leader_elected is True"),
    "empty identity": ({"identity": ""}, "identity is ''; allowed: 1 to 200 printable"),
    "two lines": ({"identity": "a\nb"}, r"identity is 'a\\nb'"),
    "numeric identity": ({"identity": 7}, "identity is 7"),
    "no bool": ({"lease_create": "no"}, "lease_create is 'no'; allowed: True, False"),
    "no text": ({"http": 9090}, "http is 9090; allowed: text"),
    "no path": ({"kubeconfig": 7}, "kubeconfig is 7; allowed: a path"),
    "no context": ({"context": ["a"]}, "context is .*; allowed: text"),
    "no runtime": ({"runtime": True}, "runtime is True; allowed: a k8s_leader.Runt"),
    "no event": ({"stop": "now"}, "stop is 'now'; allowed: an event of asyncio or"),
    "priority": ({"priority": 11}, "priority is 11"),
    "no manager": ({"manager": "mine"}, "manager is a str without acquire, renew"),
    "half a manager": ({"manager": Half()}, "manager is a Half without renew, release"),
    "two kubeconfigs": (
        {"runtime": k8s_leader.Runtime(), "kubeconfig": "/x"},
        "kubeconfig is '/x'; allowed: nothing beside runtime",
    ),
}


@pytest.mark.parametrize(("options", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_refused_before_anything_begins(
    options: dict[str, Any], said: str
) -> None:
    name = f"wrong-{next(_NUMBERS)}"
    with pytest.raises(k8s_leader.SettingsError, match=said) as caught:
        k8s_leader.campaign(lease=f"memory:{name}", **options)
    assert caught.value.fix
    assert "\n" not in str(caught.value)
    assert process_lease(name).read() is None


@pytest.mark.parametrize("lease", ["", "Not Valid", "a/b/c", Path("/x"), "redis:x"])
def test_a_lease_that_cannot_exist_is_refused(lease: Any) -> None:
    with pytest.raises(k8s_leader.SettingsError, match=r"^lease is .*RFC 1123"):
        k8s_leader.campaign(lease=lease)


def test_the_other_two_ways_refuse_the_same() -> None:
    with pytest.raises(k8s_leader.SettingsError, match="on_los is unknown"):
        k8s_leader.run(print, lease="memory:", on_los="carry-on")  # type: ignore[call-arg]  # the point
    jobs = k8s_leader.leader_only(lease="memory:", on_los="carry-on")  # type: ignore[call-arg]  # the same
    with pytest.raises(k8s_leader.SettingsError, match="on_los is unknown"):
        jobs.start()


async def test_what_a_factory_makes_is_looked_at_too() -> None:
    with pytest.raises(k8s_leader.SettingsError, match="Half without renew"):  # noqa: PT012
        async with k8s_leader.campaign(manager=lambda _: Half()) as candidate:  # type: ignore[arg-type]  # the point
            async for _ in candidate.terms():
                raise AssertionError("it led")


def test_names_that_would_spoil_a_record_are_not_taken_for_an_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names, "_host_name", lambda: "host")
    monkeypatch.setenv("POD_NAME", "pod-0")
    assert checked_identity({}) == "pod-0"
    monkeypatch.setenv("POD_NAME", "$(two words)")
    assert checked_identity({}) == "host"
    monkeypatch.setattr(names, "_host_name", lambda: "")
    assert checked_identity({"identity": None}) == "candidate"
