from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from k8s_leader.cli import main
from k8s_leader.settings import SETTINGS, Settings

FLAGS = ["--lease", "a/b", "--kill-time", "1s", "--signal-map", "HUP=USR1,34=none"]
FLAGS += ["--success-exit-codes", "143", "--stop-signal", "35"]
FLAGS += ["--health-exec", "sh -c 'test -e \"/tmp/a b\"'"]


def test_show_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [row.name for row in SETTINGS]
    assert "lease-create        true" in lines


def test_show_tells_origins(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_LEADER_ONCE", "yes")
    assert main(["config", "show", "--origin", *FLAGS]) == 0
    rows = {
        line.split()[0]: line.split()[1:]
        for line in capsys.readouterr().out.splitlines()
    }
    assert rows["lease"] == ["a/b", "flag", "--lease"]
    assert rows["namespace"] == ["a", "flag", "--lease"]
    assert rows["once"] == ["true", "environment", "K8S_LEADER_ONCE"]
    assert rows["kill-time"] == ["1s", "flag", "--kill-time"]
    assert rows["renew-every"] == ["3s", "derived"]
    assert rows["log-level"] == ["info", "default"]


@pytest.mark.parametrize("origin", [[], ["--origin"]])
def test_shown_yaml_is_a_file_with_the_same_meaning(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, origin: list[str]
) -> None:
    assert main(["config", "show", "-o", "yaml", *origin, *FLAGS]) == 0
    text = capsys.readouterr().out
    file = tmp_path / "s.yaml"
    file.write_text(text)
    again = Settings.load({}, {}, str(file))
    assert str(again.election.lease) == "a/b"
    assert again.timing.kill_time == 1.0
    assert again.workload.signal_map == {1: 10, 34: 0}
    assert again.workload.success_exit_codes == (143,)
    assert again.workload.stop_signal == 35
    assert again.companions.health_exec == ("sh", "-c", 'test -e "/tmp/a b"')
    assert again.companions.standby_command == ()
    assert set(yaml.safe_load(text)) == {row.name for row in SETTINGS}


def test_shown_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "-o", "json", "--termination-log", "off"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["lease"] is None
    assert values["lease-create"] is True
    assert values["termination-log"] == "off"
    assert main(["config", "show", "-o", "json", "--origin", *FLAGS]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["lease"] == {"value": "a/b", "origin": "flag --lease"}


def test_validate_says_that_settings_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_LEADER_TYPO", "x")
    assert main(["config", "validate", "--lease", "x"]) == 0
    out, err = capsys.readouterr()
    assert out == "the settings hold\n"
    assert "K8S_LEADER_TYPO" in err
    assert main(["config", "validate", "--disabled"]) == 0


@pytest.mark.parametrize(
    "flags", [[], ["--lease", "memory:"], ["--lease", "x", "--kill-time", "9s"]]
)
def test_validate_finds_what_run_would_refuse(
    capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    assert main(["config", "validate", *flags]) == 78
    assert "Fix:" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_config(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert main(["config", flag]) == 0
    assert "config show" in capsys.readouterr().out
