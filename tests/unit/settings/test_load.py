from __future__ import annotations

from pathlib import Path

import pytest

from k8s_leader.election.timing import Timing
from k8s_leader.errors import SettingsError
from k8s_leader.settings import Settings, Written, names
from k8s_leader.settings.table import SETTINGS


def flag(text: str, where: str) -> Written:
    return Written(text=text, source="flag", where=where)


def loaded(environ: dict[str, str] | None = None, **flags: str) -> Settings:
    given = {
        name.replace("_", "-"): flag(text, "--" + name.replace("_", "-"))
        for name, text in {"lease": "x", **flags}.items()
    }
    return Settings.load(given, environ or {})


def test_defaults_are_those_of_the_documentation() -> None:
    settings = loaded(environ={"POD_NAME": "pod-0"})
    shown = {row.name: settings.value(row.name) for row in SETTINGS}
    lease = shown.pop("lease")
    assert str(lease) == "x"
    assert settings.timing == Timing.derive(15.0)
    assert {k: v for k, v in shown.items() if k not in _timing_names()} == {
        "namespace": None,
        "identity": "pod-0",
        "lease-create": True,
        "priority": 10,
        "wait-timeout": None,
        "disabled": False,
        "kubeconfig": None,
        "context": None,
        "profile": "default",
        "on-exit": "exit",
        "once": False,
        "success-exit-codes": (),
        "stop-signal": 15,
        "signal-map": {},
        "termination-log": "auto",
        "standby-command": (),
        "on-started-leading": (),
        "on-stopped-leading": (),
        "hook-timeout": 10.0,
        "health-exec": (),
        "health-http": None,
        "health-file": None,
        "health-every": 10.0,
        "health-timeout": 5.0,
        "health-failures": 3,
        "unhealthy-backoff": 30.0,
        "events": True,
        "pod-label": True,
        "pod-deletion-cost": 1000,
        "lease-notes": True,
        "http": None,
        "log-format": "text",
        "log-level": "info",
    }


def _timing_names() -> set[str]:
    return {name.replace("_", "-") for name in Timing.__slots__}


def test_a_flag_beats_a_variable_beats_the_file_beats_the_default(
    tmp_path: Path,
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("lease: of-file\nlog-level: error\nlog-format: json\n")
    settings = Settings.load(
        {"lease": flag("of-flag", "--lease")},
        {"K8S_LEADER_LEASE": "of-env", "K8S_LEADER_LOG_LEVEL": "debug"},
        str(file),
    )
    assert str(settings.election.lease) == "of-flag"
    assert settings.log.level == "debug"
    assert settings.log.format == "json"
    origins = {name: str(settings.origins[name]) for name in ("lease", "log-level")}
    assert origins == {
        "lease": "flag --lease",
        "log-level": "environment K8S_LEADER_LOG_LEVEL",
    }
    assert str(settings.origins["log-format"]) == f"file {file}: log-format"
    assert str(settings.origins["once"]) == "default"
    assert str(settings.origins["renew-every"]) == "derived"


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("lease: a/b\n")
    settings = Settings.load({}, {"K8S_LEADER_CONFIG": str(file)})
    assert settings.election.namespace == "a"
    assert settings.origins["namespace"] == settings.origins["lease"]


def test_an_empty_variable_says_nothing() -> None:
    assert loaded({"K8S_LEADER_LOG_LEVEL": ""}).log.level == "info"


def test_no_lease_is_an_error_that_names_both_ways_out() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({}, {})
    assert caught.value.setting == "--lease"
    assert "--lease NAME" in caught.value.fix
    assert "--disabled" in caught.value.fix


def test_disabled_needs_no_lease() -> None:
    given = {"disabled": flag("true", "--disabled")}
    assert Settings.load(given, {}).election.disabled
    assert Settings.load({}, {}, lease_needed=False).election.lease is None


def test_a_namespace_may_be_said_twice_but_not_two() -> None:
    assert loaded(lease="a/b", namespace="a").election.namespace == "a"
    with pytest.raises(SettingsError, match=r"^--namespace is 'c'.*\(a\)"):
        loaded(lease="a/b", namespace="c")


def test_a_namespace_alone_counts_too() -> None:
    assert loaded(namespace="jobs").election.namespace == "jobs"


def test_a_profile_is_a_lease_duration_and_the_duration_wins() -> None:
    assert loaded(profile="fast").timing == Timing.derive(8.0)
    both = loaded(profile="fast", lease_duration="30s")
    assert both.timing == Timing.derive(30.0)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"renew_deadline": "14s"}, ["--renew-deadline is '14s'", "--lease-duration"]),
        ({"lease_duration": "3s"}, ["--lease-duration is '3s'", "--safety-margin"]),
        ({"kill_time": "10s"}, ["--kill-time is '10s'", "--lease-duration"]),
        ({"renew_every": "9s"}, ["--renew-every is '9s'", "--request-timeout"]),
        ({"retry_period": "11s"}, ["--retry-period is '11s'", "--renew-deadline"]),
        ({"acquire_every": "1s"}, ["--acquire-every is '1s'", "--renew-every"]),
        ({"request_timeout": "8s"}, ["--request-timeout is '8s'", "--renew-every"]),
    ],
)
def test_durations_that_contradict_each_other_blame_what_was_written(
    given: dict[str, str], names: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(None, **given)
    for name in names:
        assert name in str(caught.value)
    assert "_" not in str(caught.value)


def test_a_contradiction_in_the_environment_names_the_variable() -> None:
    with pytest.raises(
        SettingsError, match=r"^--renew-every \(from K8S_LEADER_RENEW_EVERY\) is '9s'"
    ):
        loaded({"K8S_LEADER_RENEW_EVERY": "9s"})


def test_an_alias_is_blamed_by_its_own_name() -> None:
    where = "--leader-elect-renew-deadline"
    with pytest.raises(SettingsError, match=f"^{where} is '14s'"):
        Settings.load(
            {"lease": flag("x", "--lease"), "renew-deadline": flag("14s", where)}, {}
        )


def test_a_very_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(lease="X" * 5000)
    assert len(str(caught.value)) < 500


def test_the_identity_falls_back_to_something_valid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert loaded({"POD_NAME": "pod-0"}).election.identity == "pod-0"
    monkeypatch.setattr(names, "_host_name", lambda: "host")
    assert loaded({"POD_NAME": "not valid"}).election.identity == "host"
    monkeypatch.setattr(names, "_host_name", lambda: "")
    assert loaded().election.identity == "candidate"
    assert loaded(identity="mine").election.identity == "mine"


def test_the_termination_log_can_be_turned_off() -> None:
    assert loaded(termination_log="off").workload.termination_log is None


def test_a_sqlite_path_is_checked_when_settings_are_loaded() -> None:
    with pytest.raises(SettingsError, match=r"K8S_LEADER_LEASE.*directory that exists"):
        Settings.load({}, {"K8S_LEADER_LEASE": "sqlite:/nowhere/at/all.db"})
