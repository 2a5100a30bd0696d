from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from k8s_leader.cli import main
from k8s_leader.errors import LeaseForbiddenError


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"]])
def test_help_lists_the_commands(
    capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    assert main(argv) == 0
    out = capsys.readouterr().out
    for command in ("run", "demo", "config show", "config validate", "version"):
        assert command in out


def test_the_help_of_run_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for word in ("examples:", "exit codes:", "K8S_LEADER_LEASE_DURATION", "Timing"):
        assert word in out


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([], "no command was given"),
        (["rnu"], "did you mean run?"),
        (["frobnicate"], "there is no command 'frobnicate'."),
        (["config"], "show or validate"),
        (["config", "shwo"], "did you mean show?"),
        (["config", "show", "-o", "xml"], "invalid choice"),
        (["elector"], "by the guard only"),
        (["elector", "a", "b"], "by the guard only"),
        (["elector", "998", "999"], "by the guard only"),
    ],
)
def test_a_wrong_command_is_one_line_and_78(
    capsys: pytest.CaptureFixture[str], argv: list[str], word: str
) -> None:
    assert main(argv) == 78
    err = capsys.readouterr().err
    assert word in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("argv", [["version"], ["--version"], ["-V"]])
def test_the_version_is_printed(
    capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith("k8s-leader ")


def test_a_checkout_that_is_not_installed_has_no_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    def missing(_name: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setattr(sys, "path", [])
    assert main(["version"]) == 0
    assert "not installed" in capsys.readouterr().out


def fake_command(monkeypatch: pytest.MonkeyPatch, error: BaseException | int) -> None:
    def demo(_argv: Any) -> int:
        if isinstance(error, int):
            return error
        raise error

    module = ModuleType("k8s_leader.cli.demo")
    module.demo = demo  # type: ignore[attr-defined]  # a module is open
    monkeypatch.setitem(sys.modules, "k8s_leader.cli.demo", module)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (0, 0),
        (5, 5),
        (LeaseForbiddenError("no", rule="verbs: [get]"), 77),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_ends_a_command_becomes_its_status(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | int,
    status: int,
) -> None:
    fake_command(monkeypatch, error)
    assert main(["demo"]) == status
    if status == 77:
        assert "verbs: [get]" in capsys.readouterr().err


def test_a_reader_that_left_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    duplicated: list[int] = []
    fake_command(monkeypatch, BrokenPipeError())
    monkeypatch.setattr("os.dup2", lambda _old, new: duplicated.append(new))
    assert main(["demo"]) == 141
    assert duplicated == [1]


def test_the_arguments_of_the_process_are_the_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["k8s-leader", "version"])
    assert main() == 0
    assert capsys.readouterr().out


def test_without_signal_masks_nothing_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delattr("signal.pthread_sigmask")
        assert main(["run"]) == 78
