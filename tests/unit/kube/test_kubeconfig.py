"""
Which kubeconfig files count, and what they mean together.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from k8s_leader.errors import SettingsError
from k8s_leader.kube import KubeSettings
from k8s_leader.kube.kubeconfig import Kubeconfig, Selection, find
from tests.helpers.kube_tools import write_kubeconfig

HOME = {"HOME": "/nonexistent"}


def listed(*paths: object) -> dict[str, str]:
    return HOME | {"KUBECONFIG": os.pathsep.join(str(path) for path in paths)}


def chosen(environ: dict[str, str], **settings: Any) -> Selection:
    wanted = KubeSettings(**settings)
    return find(wanted, environ=environ).select(wanted)


def test_an_explicit_file_beats_the_environment(tmp_path: Path) -> None:
    one = write_kubeconfig(tmp_path / "1", server="https://one")
    two = write_kubeconfig(tmp_path / "2", server="https://two")
    assert chosen(listed(two), kubeconfig=one).cluster["server"] == "https://one"


def test_the_environment_beats_the_home_directory(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    write_kubeconfig(tmp_path / ".kube" / "config", server="https://home")
    two = write_kubeconfig(tmp_path / "2", server="https://two")
    home = {"HOME": str(tmp_path)}
    assert chosen(home).cluster["server"] == "https://home"
    assert chosen(listed(two) | home).cluster["server"] == "https://two"


def test_no_file_at_all_is_an_empty_kubeconfig() -> None:
    assert not find(KubeSettings(), environ=HOME)


def test_the_home_directory_of_the_account_is_the_last_resort(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not find(KubeSettings(), environ={})


def test_without_any_home_directory_there_is_no_kubeconfig(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Neither HOME nor an entry in the password file: a random user id of OpenShift.
    """
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_000)
    assert not find(KubeSettings(), environ={})


def test_the_first_file_of_a_list_to_set_a_key_wins(tmp_path: Path) -> None:
    one = tmp_path / "1"
    one.write_text(
        json.dumps(
            {"contexts": [{"name": "main", "context": {"cluster": "c", "user": "x"}}]}
        )
    )
    two = write_kubeconfig(
        tmp_path / "2", server="https://two", context={"namespace": "two"}
    )
    three = write_kubeconfig(tmp_path / "3", server="https://three")
    config = find(KubeSettings(), environ=listed(one, two, three, two, ""))
    assert config.contexts["main"] == {"cluster": "c", "user": "x"}
    assert config.clusters["c"]["server"] == "https://two"
    assert config.current_context == "main"
    assert config.where == os.pathsep.join(map(str, (one, two, three)))


def test_missing_files_of_a_list_are_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two = write_kubeconfig(tmp_path / "2", server="https://two")
    assert chosen(listed(tmp_path / "no", two)).cluster["server"] == "https://two"
    assert not caplog.records


def test_a_list_of_nothing_but_missing_files_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert not find(KubeSettings(), environ=listed(tmp_path / "no", tmp_path / "none"))
    assert "none of the files of KUBECONFIG exists" in caplog.text


def test_relative_paths_belong_to_their_own_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = tmp_path / "one" / "config"
    one.write_text(json.dumps({"users": [{"name": "u", "user": {"tokenFile": "t"}}]}))
    two = write_kubeconfig(
        tmp_path / "two" / "config",
        cluster={"certificate-authority": "pki/ca.crt"},
        context={"namespace": "n"},
    )
    found = chosen(listed(one, two))
    assert found.user["tokenFile"] == str(tmp_path / "one" / "t")
    assert found.cluster["certificate-authority"] == str(tmp_path / "two/pki/ca.crt")
    assert found.namespace == "n"


@pytest.mark.parametrize(
    ("command", "is_local"), [("plugin", False), ("./bin/plugin", True), (7, False)]
)
def test_a_plugin_with_a_path_is_relative_to_its_file(
    tmp_path: Path, command: object, is_local: bool
) -> None:
    path = write_kubeconfig(tmp_path / "c", user={"exec": {"command": command}})
    found = chosen({}, kubeconfig=path).user["exec"]["command"]
    assert found == (str(tmp_path / "bin/plugin") if is_local else command)


def test_absolute_paths_stay(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "c", user={"client-key": "/etc/key"})
    assert chosen({}, kubeconfig=path).user["client-key"] == "/etc/key"


def test_context_cluster_and_user_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "c"
    content = {
        "contexts": [
            {"name": "a", "context": {"cluster": "c1", "user": "u1"}},
            {"name": "b", "context": {"cluster": "c2", "namespace": "nb"}},
        ],
        "clusters": [
            {"name": name, "cluster": {"server": f"https://{name}"}}
            for name in ("c1", "c2")
        ],
        "users": [{"name": "u1", "user": {"token": "t"}}, {"name": "u2"}],
    }
    path.write_text(json.dumps(content))
    name = str(path)
    second = chosen({}, kubeconfig=name, context="b")
    assert (second.cluster["server"], second.user) == ("https://c2", {})
    assert second.namespace == "nb"
    mixed = chosen({}, kubeconfig=name, context="a", cluster="c2", user="u2")
    assert (mixed.cluster["server"], mixed.user) == ("https://c2", {})
    assert chosen({}, kubeconfig=name, cluster="c1").cluster["server"] == "https://c1"
    with pytest.raises(SettingsError, match="current-context"):
        chosen({}, kubeconfig=name)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"context": "x"}, "context"),
        ({"cluster": "x"}, "cluster"),
        ({"user": "x"}, "user"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(
    tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    path = write_kubeconfig(tmp_path / "c", user={"token": "hunter2"})
    with pytest.raises(SettingsError) as caught:
        chosen({}, kubeconfig=path, **settings)
    assert caught.value.setting.startswith(f"{named} of the kubeconfig")
    assert caught.value.value == "x"
    assert caught.value.allowed in {"main", "c", "u"}
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "/nonexistent/kubeconfig"])
def test_an_explicit_file_must_exist(name: str) -> None:
    with pytest.raises(SettingsError, match="--kubeconfig"):
        find(KubeSettings(kubeconfig=name), environ={})


def test_a_directory_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Is a directory"):
        find(KubeSettings(kubeconfig=str(tmp_path)), environ={})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# nothing\n",
        b"{}",
        b"just text, token: hunter2",
        b"- a\n- list\n",
        b"users: [{name: u, user: {token: hunter2",
        b"token: 'hunter2\n",
        b"\x00hunter2",
        b"\xff\xfe\x00hunter2",
        b"contexts: {token: hunter2}",
        b"contexts: [hunter2]",
        b"contexts: [{name: 7}]",
        b"users: [{name: u, user: hunter2}]",
        b"current-context: [hunter2]",
    ],
)
def test_a_malformed_file_is_one_clear_error_without_its_content(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        find(KubeSettings(kubeconfig=str(path)), environ={})
    assert "config" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_empty_file_of_the_environment_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert not find(KubeSettings(), environ=listed(tmp_path / "empty"))


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "c", user={"token": "hunter2"})
    settings = KubeSettings(kubeconfig=path)
    config = find(settings, environ={})
    assert isinstance(config, Kubeconfig)
    assert "hunter2" not in f"{config!r} {config.select(settings)!r}"
