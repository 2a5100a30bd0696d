from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from k8s_leader.errors import SettingsError
from k8s_leader.settings import Settings
from k8s_leader.settings.sources import (
    did_you_mean,
    from_environ,
    from_file,
    is_service_link,
    unknown_variables,
)
from k8s_leader.settings.table import SETTINGS

SERVICE_LINKS = {
    "K8S_LEADER_SERVICE_HOST": "10.96.0.7",
    "K8S_LEADER_SERVICE_PORT": "80",
    "K8S_LEADER_SERVICE_PORT_HTTP": "80",
    "K8S_LEADER_PORT": "tcp://10.96.0.7:80",
    "K8S_LEADER_PORT_8080_TCP": "tcp://10.96.0.7:8080",
    "K8S_LEADER_PORT_8080_TCP_PROTO": "tcp",
    "K8S_LEADER_PORT_8080_TCP_PORT": "8080",
    "K8S_LEADER_PORT_8080_TCP_ADDR": "10.96.0.7",
    "K8S_LEADER_LEASE_PORT": "tcp://10.96.0.8:80",
}


def test_service_links_are_neither_settings_nor_warned_about() -> None:
    assert from_environ(SERVICE_LINKS) == {}
    assert unknown_variables(SERVICE_LINKS) == []
    assert all(is_service_link(name) for name in SERVICE_LINKS)


def test_an_unknown_variable_is_a_warning_with_a_guess() -> None:
    settings = Settings.load(
        {}, {"K8S_LEADER_LEASE": "x", "K8S_LEADER_RENEW_EVRY": "3s"}
    )
    assert settings.warnings == (
        "K8S_LEADER_RENEW_EVRY is no setting and is ignored; "
        "did you mean K8S_LEADER_RENEW_EVERY?",
    )


def test_nothing_similar_gives_no_guess() -> None:
    assert did_you_mean("zzz", ["lease"]) == ""


def test_yaml_values_become_the_text_of_flags(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "lease-duration: 15\nonce: on\nsuccess-exit-codes: [143, 130]\n"
        "signal-map: {HUP: USR1}\nkill-time: 1.5\nnamespace: null\nlease: 007\n"
        "health-exec: [sh, -c, test -e '/tmp/a b']\n"
    )
    assert {name: found.text for name, found in from_file(str(file)).items()} == {
        "lease-duration": "15",
        "once": "on",
        "success-exit-codes": "143,130",
        "signal-map": "HUP=USR1",
        "kill-time": "1.5",
        "lease": "007",
        "health-exec": """sh -c 'test -e '"'"'/tmp/a b'"'"''""",
    }


def test_off_in_a_file_is_the_word_and_no_truth_value(tmp_path: Path) -> None:
    """
    Read as YAML does it was the path ``false`` of a termination log.
    """
    file = tmp_path / "s.yaml"
    file.write_text(
        "lease: x\nhttp: off\ntermination-log: off\nonce: yes\nevents: False\n"
        "standby-command: [sleep, 5]\n"
    )
    settings = Settings.load({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, str(file))
    assert settings.web.http is None
    assert settings.workload.termination_log is None
    assert settings.workload.once is True
    assert settings.cluster.events is False
    assert settings.companions.standby_command == ("sleep", "5")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n", "{}\n"])
def test_an_empty_file_says_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    assert from_file(str(file)) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"leese: x\n", "did you mean lease"),
        (b"lease_duration: 5\n", "did you mean lease-duration"),
        (b"- lease\n", "a YAML mapping"),
        (b"just text\n", "a YAML mapping"),
        (b"lease: [\n", "valid YAML"),
        (b"lease: 'x\n", "valid YAML"),
        (b"\tlease: x\n", "valid YAML"),
        (b"lease: a\nlease: b\n", "stands twice"),
        (b"{[1]: 2}: x\n", "valid YAML"),
        (b"1: x\n", "names of settings"),
        (b"lease: !!python/object:os.system x\n", "valid YAML"),
        (b"lease: \xff\xfe\n", "YAML in UTF-8"),
        (b"lease: {a: {b: c}}\n", "text, a number"),
        (b"lease: 2026-01-01\n", "text, a number"),
        (b"lease: &a [*a]\n", "text, a number|valid YAML"),
        pytest.param(b"[" * 1000, "valid YAML", id="nested too deeply"),
        pytest.param(b"lease: x # " + b"y" * (1 << 20), "below 1 MiB", id="long"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "s.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=message) as caught:
        from_file(str(file))
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        from_file(str(tmp_path / "none.yaml"))
    with pytest.raises(SettingsError, match="Is a directory"):
        from_file(str(tmp_path))
    with pytest.raises(SettingsError, match="readable YAML file"):
        from_file("a\0b")


@given(content=st.binary(max_size=200))
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_file_causes_anything_but_a_settings_error(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "s.yaml"
    file.write_bytes(content)
    try:
        Settings.load({}, {}, str(file), lease_needed=False)
    except SettingsError as exc:
        assert exc.fix


PLAUSIBLE = st.sampled_from(
    ["15s", "1m30s", "off", "on", "auto", "restart", "0", ":8080", "a/b", "true", "7"]
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(),
        st.text(max_size=10),
        st.dates(),
        PLAUSIBLE,
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(
    content=st.dictionaries(
        st.sampled_from([each.name for each in SETTINGS]), VALUES, max_size=4
    )
)
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_value_of_a_real_setting_causes_anything_but_a_settings_error(
    tmp_path: Path, content: dict[str, object]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True))
    try:
        Settings.load({}, {}, str(file), lease_needed=False)
    except SettingsError as exc:
        assert exc.fix
        assert "\n" not in str(exc)


@given(
    st.dictionaries(
        st.sampled_from(
            ["LEASE", "LEASE_DURATION", "KILL_TIME", "ON_EXIT", "IDENTITY", "ONCE"]
        ),
        st.text(max_size=40),
    )
)
def test_no_environment_causes_anything_but_a_settings_error(
    variables: dict[str, str],
) -> None:
    environ = {f"K8S_LEADER_{name}": text for name, text in variables.items()}
    try:
        Settings.load({}, environ, lease_needed=False)
    except SettingsError as exc:
        assert "K8S_LEADER_" in str(exc) or exc.setting.startswith("--")
