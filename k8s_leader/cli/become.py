"""
The two ends of ``run``: this process becomes the guard, or the command itself.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from k8s_leader.cli.early import EarlyElector
from k8s_leader.errors import ExitCode, LeaderError
from k8s_leader.guard.environ import HANDED_TO_WORKLOAD, given_environ
from k8s_leader.settings.sources import CONFIG_VARIABLE
from k8s_leader.settings.table import SETTINGS

__all__ = ["HANDED_TO_WORKLOAD", "become_command", "become_guard", "workload_environ"]


def become_guard(config: Mapping[str, Any], early: EarlyElector | None = None) -> int:
    """
    Replace this process by the guard; does not return unless that fails.

    The configuration travels in a memory file that the guard and the elector inherit:
    it appears neither in the list of processes nor on a disk. Blocked signals stay
    blocked, and pending, across the exec.

    Args:
        config: of the guard.
        early: an elector that loads already; left alone when it loads the wrong store.

    Raises:
        LeaderError: this Python cannot be started again, or the configuration not kept.
    """
    if not sys.executable:
        raise LeaderError("Python does not know its own path; start it by its path")
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    guard = os.path.join(package, "guard", "__main__.py")
    if early is not None and early.store != config["elector"]["store"]:
        early.abandon()
        early = None
    if early is not None:
        config, fd = {**config, "early": early.handed_on}, early.config_fd
    else:
        fd = _memory_file()
    data = json.dumps(config).encode()
    while data:
        data = data[os.write(fd, data) :]
    os.lseek(fd, 0, os.SEEK_SET)
    _flush()
    argv = [sys.executable, "-I", "-S", guard, str(fd)]
    try:
        os.execve(sys.executable, argv, given_environ())
    except OSError as exc:
        raise LeaderError(f"cannot start {sys.executable}: {exc.strerror}") from exc


def _memory_file() -> int:
    try:
        return os.memfd_create("k8s-leader-config", 0)  # flags 0: survives the exec
    except OSError as exc:
        raise LeaderError(
            f"no memory file for the configuration: {exc.strerror}. "
            "Fix: permit memfd_create, or more open files"
        ) from exc


def become_command(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """
    Replace this process by the command, as if we had never been there.

    Returns:
        126 or 127 when the command cannot be executed or found.
    """
    _flush()
    _restore_signals()
    try:
        os.execvpe(command[0], list(command), workload_environ(environ))
    except OSError as exc:
        missing = exc.errno in {errno.ENOENT, errno.ENOTDIR}
        reason = "not found" if missing else (exc.strerror or str(exc))
        print(f"k8s-leader: error: {command[0]}: {reason}", file=sys.stderr)
        return int(ExitCode.NOT_FOUND if missing else ExitCode.NOT_EXECUTABLE)
    except ValueError as exc:  # a NUL in an argument
        print(f"k8s-leader: error: {command[0]!r}: {exc}", file=sys.stderr)
        return int(ExitCode.NOT_EXECUTABLE)


def workload_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """
    Return the environment without our settings and without a stale term.
    """
    ours = {setting.variable for setting in SETTINGS} | {CONFIG_VARIABLE}
    ours.update(HANDED_TO_WORKLOAD)
    return {name: value for name, value in environ.items() if name not in ours}


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it was closed from the start
            stream.flush()


def _restore_signals() -> None:
    """
    Undo what Python and ``run`` changed; an inherited ignore stays.
    """
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):  # pragma: no branch  # not on Windows
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # pragma: no branch  # nohup
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):  # pragma: no branch  # not on Windows
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
