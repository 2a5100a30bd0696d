from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from k8s_leader.cli import become, early, elector, guard_config, main
from k8s_leader.election.timing import Timing
from k8s_leader.errors import LeaderError
from k8s_leader.settings import Settings
from tests.helpers.measured import unmeasured

ROOT = Path(__file__).resolve().parents[3]


def test_the_guard_is_told_everything_as_plain_json(started: list[Any]) -> None:
    argv = ["run", "--lease", "ns/reports", "--profile", "fast", "--once"]
    argv += ["--signal-map", "HUP=USR1", "--success-exit-codes", "143"]
    assert main([*argv, "--", "python", "worker.py", "--", "-x"]) == 0
    config = json.loads(json.dumps(started[0]))
    assert config.pop("elector_argv")[0] == sys.executable
    assert config == {
        "command": ["python", "worker.py", "--", "-x"],
        "identity_prefix": "pod-0",
        "timing": asdict(Timing.derive(8.0)),
        "on_exit": "exit",
        "once": True,
        "success_exit_codes": [143],
        "stop_signal": 15,
        "signal_map": {"1": 10},
        "termination_log": None,
        "standby_command": [],
        "stop_courtesy": 0.0,
        "log_format": "text",
        "log_level": "info",
        "elector": {
            "store": "kubernetes",
            "lease": "reports",
            "namespace": "ns",
            "lease_create": True,
            "priority": 10,
            "wait_timeout": None,
            "kubeconfig": None,
            "context": None,
            "http": None,
            "companions": {
                "standby_command": [],
                "on_started_leading": [],
                "on_stopped_leading": [],
                "hook_timeout": 10.0,
                "health_exec": [],
                "health_http": None,
                "health_file": None,
                "health_every": 10.0,
                "health_timeout": 5.0,
                "health_failures": 3,
                "unhealthy_backoff": 30.0,
            },
            "cluster": {
                "events": True,
                "pod_label": True,
                "pod_deletion_cost": 1000,
                "lease_notes": True,
                "pod": None,
                "priority": 10,
                "node": None,
            },
        },
    }


@pytest.mark.parametrize(
    ("flags", "cluster", "port"),
    [
        ((), "", None),
        ((), "10.96.0.1", 9090),
        (("--http", "off"), "10.96.0.1", None),
        (("--http", ":8000"), "", 8000),
    ],
)
def test_http_is_on_by_default_inside_a_cluster_only(
    started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    cluster: str,
    port: int | None,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", cluster)
    assert main(["run", "--lease", "reports", *flags, "--", "true"]) == 0
    http = None if port is None else {"host": "", "port": port}
    assert started[0]["elector"]["http"] == http


@pytest.mark.parametrize(
    ("flags", "missing", "courtesy"),
    [((), "", 0.06), (("--no-pod-label",), "", 0.0), ((), "POD_UID", 0.0)],
)
def test_a_stop_waits_for_the_label_only_where_there_is_one(
    started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    missing: str,
    courtesy: float,
) -> None:
    for name in ("POD_NAME", "POD_NAMESPACE", "POD_UID"):
        monkeypatch.setenv(name, "" if name == missing else "x")
    assert main(["run", "--lease", "reports", *flags, "--", "true"]) == 0
    assert started[0]["stop_courtesy"] == courtesy
    assert (started[0]["elector"]["cluster"]["pod"] is None) == bool(missing)


def test_paths_are_absolute_before_anybody_changes_directory(
    started: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kube").write_text("kind: Config\n")
    argv = ["--lease", "sqlite:x.db", "--kubeconfig", "kube", "--termination-log", "t"]
    assert main(["run", *argv, "--", "true"]) == 0
    elector_part = started[0]["elector"]
    assert elector_part["lease"] == str(tmp_path / "x.db")
    assert elector_part["kubeconfig"] == str(tmp_path / "kube")
    assert started[0]["termination_log"] == str(tmp_path / "t")


def test_the_aliases_of_kubernetes_mean_the_same(started: list[Any]) -> None:
    argv = ["--leader-elect-resource-name=x", "--leader-elect-resource-namespace=y"]
    argv += ["--leader-elect-lease-duration=30s", "--leader-elect-retry-period", "1s"]
    assert main(["run", *argv, "--", "true"]) == 0
    config = started[0]
    assert (config["elector"]["lease"], config["elector"]["namespace"]) == ("x", "y")
    assert config["timing"] == asdict(Timing.derive(30.0, retry_period=1.0))


@pytest.mark.parametrize(
    ("argv", "once"),
    [
        (["--once"], True),
        (["--once=true"], True),
        (["--once=no"], False),
        (["--once", "--no-once"], False),
    ],
)
def test_a_switch_can_be_said_in_every_way(
    started: list[Any], argv: list[str], once: bool
) -> None:
    assert main(["run", "--lease", "x", *argv, "--", "true"]) == 0
    assert started[0]["once"] is once


def test_warnings_are_printed_and_do_not_stop_anything(
    started: list[Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("K8S_LEADER_LAESE", "x")
    monkeypatch.setenv("K8S_LEADER_PORT", "tcp://10.0.0.1:80")
    assert main(["run", "--lease", "x", "--", "true"]) == 0
    err = capsys.readouterr().err
    assert "K8S_LEADER_LAESE is no setting" in err
    assert "K8S_LEADER_PORT" not in err
    assert len(started) == 1


def test_disabled_becomes_the_command_whatever_else_is_said(
    started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_LEADER_DISABLED", "true")
    assert main(["run", "--", "sleep", "1"]) == 0
    assert started == [["sleep", "1"]]


def test_run_holds_signals_for_the_guard(started: list[Any]) -> None:
    assert main(["run", "--lease", "x", "--", "true"]) == 0
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD} <= blocked
    assert signal.SIGSEGV not in blocked


def test_the_termination_log_of_the_kubelet_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "termination-log"
    monkeypatch.setattr(guard_config, "TERMINATION_LOG", str(log))
    settings = Settings.load({}, {"K8S_LEADER_LEASE": "x"})
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}

    def chosen(environ: dict[str, str]) -> object:
        return guard_config.guard_config(settings, ["x"], environ)["termination_log"]

    assert chosen(pod) is None
    log.touch()
    assert chosen(pod) == str(log)


def test_a_config_without_a_lease_is_a_bug() -> None:
    settings = Settings.load({}, {}, lease_needed=False)
    with pytest.raises(AssertionError):
        guard_config.guard_config(settings, ["x"], {})


def test_an_installed_package_is_found_by_the_interpreter_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr("site.getsitepackages", lambda: [str(ROOT)])
    monkeypatch.setattr(early, "_PACKAGE", str(ROOT / "k8s_leader"))
    argv = early.elector_argv()
    assert argv == [sys.executable, "-I", "-m", "k8s_leader", "elector"]


def test_a_checkout_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("site.getsitepackages", list)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(ROOT)])
    (tmp_path / "k8s_leader.py").write_text("raise SystemExit('the wrong module')")
    argv = early.elector_argv()
    done = subprocess.run(
        argv, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 78
    assert "by the guard only" in done.stderr


def test_becoming_the_guard_hands_on_config_and_blocked_signals(
    tmp_path: Path,
) -> None:
    (tmp_path / "guard").mkdir()
    (tmp_path / "cli").mkdir()
    (tmp_path / "guard" / "__main__.py").write_text(
        "import json, os, signal, sys\n"
        "config = json.loads(os.read(int(sys.argv[1]), 1 << 20))\n"
        "blocked = sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))\n"
        "flags = [sys.flags.isolated, sys.flags.no_site]\n"
        "print(json.dumps([config['command'], signal.SIGTERM in blocked, flags]))\n"
    )
    code = (
        "import sys; from k8s_leader.cli import become, main\n"
        f"become.__file__ = {str(tmp_path / 'cli' / 'become.py')!r}\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--lease", "x", "--", "echo", "ü"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == [["echo", "ü"], True, [1, 1]]


def test_a_python_that_cannot_be_started_again_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(LeaderError, match="own path"):
        become.become_guard({})
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(LeaderError, match="cannot start"):
        become.become_guard({"command": []})


def test_a_configuration_that_cannot_be_kept_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("os.memfd_create", refuse)
    assert early.start_early(["--lease", "x", "--", "true"], {}) is None
    with pytest.raises(LeaderError, match="memory file.*not implemented"):
        become.become_guard({})


def disabled(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "k8s_leader", "run", "--disabled", "--", *command],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
    )


def test_disabled_leaves_nothing_of_ours() -> None:
    done = disabled(
        sys.executable,
        "-c",
        "import os, signal\n"
        "print(sorted(n for n in os.environ if 'LEADER_' in n))\n"
        "print([int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, ())])\n"
        "print([l for l in open('/proc/self/status') if l[:7] == 'SigIgn:'][0])\n",
        K8S_LEADER_LEASE="x",
        K8S_LEADER_CONFIG="",
        K8S_LEADER_PORT="tcp://10.0.0.1:80",
        LEADER_TERM="3",
        LEADER_BOARD="the workload's own",
    )
    names, blocked, _ = done.stdout.split("\n", 2)
    assert names == "['K8S_LEADER_PORT', 'LEADER_BOARD']"
    assert blocked == "[]"


def test_disabled_passes_on_the_code_and_the_signal() -> None:
    assert disabled("sh", "-c", "exit 3").returncode == 3
    assert disabled("sh", "-c", "kill -TERM $$").returncode == -signal.SIGTERM
    done = disabled("sh", "-c", "kill -PIPE $$")
    assert done.returncode == -signal.SIGPIPE


@pytest.mark.parametrize(
    ("command", "status"),
    [("/nowhere/program", 127), ("no-such-program-here", 127), ("/etc/passwd", 126)],
)
def test_disabled_with_a_command_that_cannot_run(command: str, status: int) -> None:
    done = disabled(command)
    assert done.returncode == status
    assert command in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FileNotFoundError(2, "No such file"), 127),
        (NotADirectoryError(20, "Not a directory"), 127),
        (PermissionError(13, "Permission denied"), 126),
        (ValueError("embedded null byte"), 126),
    ],
)
def test_failing_to_become_the_command_tells_why(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("os.execvpe", fail)
    assert become.become_command(["prog"], {}) == status
    assert "prog" in capsys.readouterr().err


def test_the_elector_reads_its_config_from_the_start_each_time(
    monkeypatch: pytest.MonkeyPatch, restored_log: None
) -> None:
    calls: list[tuple[dict[str, Any], int]] = []

    def run_elector(config: dict[str, Any], sock_fd: int) -> int:
        calls.append((config, sock_fd))
        return 75

    monkeypatch.setattr("k8s_leader.app.run_elector", run_elector)
    monkeypatch.setattr(elector, "_load", lambda _store: None)
    fd = os.memfd_create("config")
    try:
        os.write(fd, json.dumps({"elector": {"lease": "x"}}).encode())
        assert elector.elector([str(fd), "7"]) == 75
        assert elector.elector([str(fd), "7"]) == 75
    finally:
        os.close(fd)
    assert calls == [({"elector": {"lease": "x"}}, 7)] * 2


def test_checking_the_command_line_loads_nothing_heavy() -> None:
    code = (
        "import sys; from k8s_leader.cli import main; main(['run', '--', 'x'])\n"
        "heavy = {'yaml', 'asyncio', 'aiohttp', 'kubernetes_asyncio', 'sqlite3',\n"
        "         'prometheus_client', 'logging', 'socket', 'ssl', 'subprocess'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=unmeasured(),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"
