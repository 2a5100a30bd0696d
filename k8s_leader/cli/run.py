"""
``k8s-leader run``: check everything, then become the guard.

Nothing of this process remains: after the checks it puts the guard's configuration
into a memory file and replaces itself by the guard, a fresh and small interpreter.
What is wrong is said before anything was started.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from k8s_leader.cli.arguments import Parser, UsageError, add_settings, parse_settings
from k8s_leader.cli.become import become_command, become_guard
from k8s_leader.cli.early import EarlyElector
from k8s_leader.cli.guard_config import guard_config
from k8s_leader.errors import SettingsError
from k8s_leader.guard.environ import given_environ
from k8s_leader.settings import Settings

__all__ = ["EXIT_CODES", "check_runnable", "run"]

EXIT_CODES = """\
exit codes:
  the command's own, or 128+n when signal n ended it; else
   70  internal error: a bug of ours
   75  --wait-timeout passed without leadership
   77  the API server forbids something: the rule to add is printed
   78  a setting or the command line is wrong; nothing was started
   79  leadership was lost and --once is set
  126  the command is not executable
  127  the command was not found
"""
_DESCRIPTION = """\
Run a command only while this candidate is the leader.

Start the same line on any number of replicas. One of them runs COMMAND; when it
stops, crashes or is cut off, its command is stopped and another takes over. Never do
two commands run at once (docs/safety.md says exactly when).
"""
_EPILOG = f"""\
examples:
  # the lease `reports` in the Pod's own namespace
  k8s-leader run --lease reports -- python worker.py
  # another namespace; notice crashes in 8 instead of 15 seconds
  k8s-leader run --lease batch/reports --profile fast -- ./worker --verbose
  # processes of one machine, without any cluster
  k8s-leader run --lease sqlite:/tmp/reports.db -- sleep 600
  # one image for both cases: no election, the command itself
  K8S_LEADER_DISABLED=true k8s-leader run -- python worker.py

Every flag is also an environment variable and a key of the --config file; flags win
over variables, variables over the file. `k8s-leader config show --origin` tells what
holds. The command finds LEADER_IDENTITY, LEADER_LEASE, LEADER_NAMESPACE, LEADER_TERM,
LEADER_FENCING_TOKEN and LEADER_STATUS_URL in its environment.

{EXIT_CODES}"""


def parser() -> Parser:
    """
    Return the parser of ``run``.
    """
    made = Parser(
        prog="k8s-leader run",
        usage="k8s-leader run [--lease NAME] [flags] -- COMMAND [ARGS ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_settings(made)
    return made


def run(argv: Sequence[str], early: EarlyElector | None = None) -> int:
    """
    Replace this process by the guard, or by the command itself when disabled.

    Args:
        argv: the words after ``run``.
        early: an elector that loads already, for the guard.

    Raises:
        UsageError: the command line is wrong.
        SettingsError: a setting is wrong, or cannot work here.
    """
    options, command = _split(argv)
    _namespace, flags, file = parse_settings(parser(), options)
    settings = Settings.load(flags, os.environ, file)
    for warning in settings.warnings:
        print(f"k8s-leader: warning: {warning}", file=sys.stderr)
    if not command:
        raise UsageError(
            "no command to run. Fix: write it after `--`, "
            "as in k8s-leader run --lease NAME -- python worker.py"
        )
    if settings.election.disabled:
        if early is not None:
            early.abandon()
        return become_command(command, given_environ())
    check_runnable(settings, os.environ)
    return become_guard(guard_config(settings, command, os.environ), early)


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def check_runnable(settings: Settings, environ: Mapping[str, str]) -> None:
    """
    Refuse what is valid in itself but cannot work with ``run``, or not here.

    Raises:
        SettingsError: the platform, the store, or a file that must exist.
    """
    if sys.platform != "linux":
        raise SettingsError(
            "k8s-leader run",
            sys.platform,
            allowed="Linux: only there can a command be stopped for certain",
            fix="use the library in your program, or --disabled while developing",
        )
    _check_proc()
    lease = settings.election.lease
    if lease is not None and lease.store == "memory":
        raise SettingsError(
            _written("lease", settings),
            str(lease),
            allowed="a lease that processes share: [NAMESPACE/]NAME or sqlite:PATH",
            fix="use --lease sqlite:PATH on one machine: memory: elects inside one "
            "process only, so every replica would lead",
        )
    kubeconfig = settings.kube.kubeconfig
    if kubeconfig is not None:
        _check_file(kubeconfig, _written("kubeconfig", settings))
    elif settings.election.lease and settings.election.lease.store == "kubernetes":
        _check_listed(environ.get("KUBECONFIG", ""))


def _check_proc() -> None:
    """
    Refuse to guard what cannot be seen: descent is read in /proc (S5).
    """
    try:
        seen = os.readlink("/proc/self")
    except OSError:
        seen = None
    if seen != str(os.getpid()):
        raise SettingsError(
            "/proc",
            seen and f"of another PID namespace (we are {os.getpid()}, not {seen})",
            allowed="that of our own PID namespace: it shows what the command started",
            fix="mount it, as in unshare --pid --fork --mount-proc",
        )


def _written(name: str, settings: Settings) -> str:
    origin = settings.origins[name]
    if origin.source == "flag":
        return origin.where
    return f"--{name} (from {origin.where})"


def _check_file(path: str, setting: str) -> None:
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as exc:
        raise SettingsError(
            setting,
            path,
            allowed=f"a readable kubeconfig file ({exc.strerror})",
            fix="correct the path, or leave it out to use the Pod's service account",
        ) from exc
    if empty:
        raise SettingsError(
            setting,
            path,
            allowed="a kubeconfig; this file is empty",
            fix="write a kubeconfig there, or name another file",
        )


def _check_listed(text: str) -> None:
    """
    Warn when no file of KUBECONFIG exists: kubectl goes on without a word.
    """
    paths = [path for path in text.split(os.pathsep) if path]
    if paths and not any(os.path.exists(path) for path in paths):
        print(
            f"k8s-leader: warning: no file of KUBECONFIG={text} exists", file=sys.stderr
        )
