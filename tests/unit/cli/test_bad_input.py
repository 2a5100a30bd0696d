"""
Each wrong input: one message with setting, value and fix, status 78, nothing started.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k8s_leader.cli import main

LEASE = ["--lease", "x"]


def timing(flag: str, value: str, *also: str) -> Any:
    words = (flag, value, "Fix:", *also)
    return pytest.param([*LEASE, flag, value], words, id=f"{flag} {value}")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        *(
            timing(flag, value)
            for flag in (
                "--lease-duration",
                "--renew-deadline",
                "--renew-every",
                "--retry-period",
                "--acquire-every",
                "--kill-time",
                "--safety-margin",
                "--stop-timeout",
                "--request-timeout",
                "--wait-timeout",
                "--leader-elect-lease-duration",
            )
            for value in ("0", "-5s", "soon", "99999999h", "nan", "")
        ),
        timing("--lease-duration", "5s", "--safety-margin"),
        timing("--renew-deadline", "15s", "--lease-duration"),
        timing("--kill-time", "4s", "--lease-duration"),
        *(
            timing(flag, "99ms", "at least 100ms")
            for flag in (
                "--renew-every",
                "--retry-period",
                "--acquire-every",
                "--request-timeout",
            )
        ),
        timing("--renew-every", "7s", "--request-timeout"),
        timing("--acquire-every", "2s", "--renew-every"),
        timing("--retry-period", "10s", "--renew-deadline"),
        timing("--profile", "turbo", "fast"),
        timing("--namespace", "Prod", "RFC 1123"),
        timing("--namespace", "n" * 64, "63"),
        timing("--identity", "two words", "printable"),
        timing("--identity", "", "printable"),
        timing("--on-exit", "explode", "release, restart, exit"),
        timing("--success-exit-codes", "300", "0 to 255"),
        timing("--stop-signal", "STOP", "can end a program"),
        timing("--signal-map", "TERM", "pairs"),
        timing("--standby-command", "warm 'up", "quoted as in a shell"),
        timing("--on-started-leading", " ", "a command with its arguments"),
        timing("--hook-timeout", "0"),
        timing("--health-http", "ftp://x", "http"),
        timing("--health-http", "http://x:port/", "http"),
        timing("--health-failures", "0", "1 to 1000"),
        timing("--unhealthy-backoff", "never"),
        timing("--log-format", "xml", "text, json"),
        timing("--log-level", "loud", "debug"),
        timing("--kubeconfig", "/nowhere/config", "readable kubeconfig"),
        timing("--kubeconfig", "/", "Is a directory"),
        timing("--config", "/nowhere.yaml", "readable YAML"),
        ([], ("--lease is missing", "--lease NAME", "--disabled")),
        (["--lease", ""], ("--lease", "Fix:")),
        (["--lease", "Reports"], ("--lease", "'Reports'", "RFC 1123")),
        (["--lease", "x" * 254], ("--lease", "253")),
        (["--lease", "a/b/c"], ("--lease", "a/b/c")),
        (["--lease", "sqlite:"], ("--lease", "sqlite:PATH")),
        (["--lease", "sqlite:/nowhere/x"], ("--lease", "directory that exists")),
        (["--lease", "sqlite:/etc/passwd"], ("/etc/passwd", "a SQLite file")),
        (["--lease", "memory:"], ("memory:", "one process only", "sqlite:PATH")),
        (["--lease", "a/b", "--namespace", "c"], ("--namespace", "'c'", "Fix:")),
        (["--lease"], ("--lease", "expected one argument")),
        ([*LEASE, "--once=perhaps"], ("--once", "perhaps", "true or false")),
        (
            [*LEASE, "--renew-evry", "3s"],
            ("--renew-evry", "did you mean --renew-every"),
        ),
        ([*LEASE, "--zzzzzzz"], ("there is no flag --zzzzzzz", "Fix:")),
        ([*LEASE, "--lease-dur", "9s"], ("--lease-dur", "did you mean")),
        ([*LEASE, "python"], ("'python'", "put `--` before")),
    ],
)
def test_wrong_flags_are_one_message_and_start_nothing(
    capsys: pytest.CaptureFixture[str],
    started: list[Any],
    flags: list[str],
    words: tuple[str, ...],
) -> None:
    status = main(["run", *flags, "--", "true"])
    out, err = capsys.readouterr()
    assert (status, started, out) == (78, [], "")
    assert err.startswith("k8s-leader: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"K8S_LEADER_LEASE": "Not_Valid"}, ("K8S_LEADER_LEASE", "Not_Valid")),
        (
            {"K8S_LEADER_LEASE": "x", "K8S_LEADER_KILL_TIME": "-1"},
            ("--kill-time (from K8S_LEADER_KILL_TIME) is '-1'", "Fix:"),
        ),
        (
            {"K8S_LEADER_LEASE": "x", "K8S_LEADER_ONCE": "maybe"},
            ("K8S_LEADER_ONCE", "maybe"),
        ),
        (
            {"K8S_LEADER_CONFIG": "/nowhere.yaml"},
            ("K8S_LEADER_CONFIG", "/nowhere.yaml"),
        ),
        (
            {"K8S_LEADER_LEASE": "memory:"},
            ("--lease (from K8S_LEADER_LEASE)", "one process only"),
        ),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
            ("--lease is missing",),
        ),
    ],
)
def test_wrong_variables_are_named_as_they_were_written(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    started: list[Any],
    environ: dict[str, str],
    words: tuple[str, ...],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    status = main(["run", "--", "true"])
    err = capsys.readouterr().err
    assert (status, started) == (78, [])
    assert err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize("argv", [["--lease", "x"], ["--lease", "x", "--"], []])
def test_no_command_is_an_error(
    capsys: pytest.CaptureFixture[str], started: list[Any], argv: list[str]
) -> None:
    assert main(["run", *argv]) == 78
    assert started == []
    assert "Fix:" in capsys.readouterr().err


def test_an_unknown_key_of_the_file_is_guessed(
    capsys: pytest.CaptureFixture[str], started: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("leese: x\n")
    assert main(["run", "--config", str(file), "--", "true"]) == 78
    assert "did you mean lease" in capsys.readouterr().err
    assert started == []


def test_an_empty_kubeconfig_is_refused(
    capsys: pytest.CaptureFixture[str], started: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "config"
    file.touch()
    assert main(["run", *LEASE, "--kubeconfig", str(file), "--", "true"]) == 78
    assert "this file is empty" in capsys.readouterr().err
    assert started == []


def test_a_kubeconfig_list_without_any_file_is_a_warning(
    capsys: pytest.CaptureFixture[str],
    started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/a:/nowhere/b")
    assert main(["run", *LEASE, "--", "true"]) == 0
    assert "warning: no file of KUBECONFIG" in capsys.readouterr().err
    assert len(started) == 1


@pytest.mark.parametrize(
    ("seen", "said"),
    [(None, "/proc is missing"), ("1", "/proc is 'of another PID namespace")],
)
def test_without_a_proc_of_its_own_nothing_is_guarded(
    capsys: pytest.CaptureFixture[str],
    started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    seen: str | None,
    said: str,
) -> None:
    """
    No children to be seen would mean that every tree is gone.
    """

    def readlink(path: str) -> str:
        assert path == "/proc/self"
        if seen is None:
            raise FileNotFoundError(2, "No such file or directory")
        return seen

    monkeypatch.setattr("os.readlink", readlink)
    assert main(["run", *LEASE, "--", "true"]) == 78
    err = capsys.readouterr().err
    assert said in err
    assert "--mount-proc" in err
    assert started == []
    assert main(["run", "--disabled", "--", "true"]) == 0


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_platforms_are_refused_clearly(
    capsys: pytest.CaptureFixture[str],
    started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert main(["run", *LEASE, "--", "true"]) == 78
    err = capsys.readouterr().err
    assert platform in err
    assert "use the library" in err
    assert started == []
    assert main(["run", "--disabled", "--", "true"]) == 0
