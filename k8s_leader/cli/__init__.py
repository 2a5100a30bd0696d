"""
The ``k8s-leader`` command; one file per subcommand, imported only when it is called.

Everything that is wrong with the input ends here as one line on stderr and the
documented exit status; a traceback means a bug of ours.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from k8s_leader.cli.early import start_early
from k8s_leader.errors import ExitCode, LeaderError

__all__ = ["main"]

_USAGE = """\
usage: k8s-leader COMMAND [...]

Run exactly one active replica of anything on Kubernetes.

commands:
  run              run a command only while this candidate is the leader
  status           show all candidates of a lease, or wait for a leader that renews
  list             show the Leases of a namespace or of the cluster
  watch            print each change of a lease as it happens
  history          show the last changes of hands and why they came
  step-down        ask the leader to leave
  switchover       hand the leadership to a named candidate
  pause, resume    keep all candidates where they are, and take that back
  explain          show what timings mean: fail-over, outages, overlap
  rbac             print the Role and RoleBinding for a job
  doctor           check rights, clocks, speed, token, Lease and labels
  operator         release the leases of leaders whose containers died
  demo             watch candidates elect a leader on this machine
  config show      print each setting and where its value came from
  config validate  check the settings, start nothing
  version          print the version

`k8s-leader COMMAND --help` tells the rest. A first try, on this machine:
  k8s-leader run --lease sqlite:/tmp/try.db -- sleep 60
"""
_MODULES = {
    "run": "run",
    "status": "status",
    "list": "list_leases",
    "watch": "watch",
    "history": "history",
    "step-down": "step_down",
    "switchover": "switchover",
    "pause": "pause",
    "resume": "resume",
    "explain": "explain",
    "rbac": "rbac",
    "doctor": "doctor",
    "operator": "operator",
    "demo": "demo",
    "config": "config",
    "version": "version",
}
"""Command → module, whose function of the same name is called."""
_HIDDEN = {"elector": "elector", "--version": "version", "-V": "version"}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line; return the exit status.

    Args:
        argv: without the program's name; ``None``: of this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    early = None
    if words[:1] == ["run"]:
        _hold_signals()
        _open_standard()
        if argv is None:  # this process is the program, and can become the guard
            early = start_early(words[1:], os.environ)
    try:
        command = _command(words)
        return command(words[1:]) if early is None else command(words[1:], early)
    except LeaderError as exc:
        return _failed(str(exc), exc.exit_code)
    except BrokenPipeError:
        # The reader of our output left; nobody is there to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + int(getattr(signal, "SIGPIPE", 13))
    except KeyboardInterrupt:
        return 128 + int(signal.SIGINT)
    finally:
        if early is not None:  # nothing came of it: this process is no guard
            early.abandon()


def _hold_signals() -> None:
    """
    Keep signals pending until the guard can act on them; the mask survives exec.

    As PID 1 a signal that comes before its handler is simply dropped by the kernel,
    and a container that is told to stop at once would be killed much later.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return  # Windows: refused later with a clear word
    faults = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS"}
    keep = {signal.Signals.__members__[name] for name in faults}
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - keep)


def _open_standard() -> None:
    """
    Open what is closed of stdin, stdout and stderr.

    What is opened next would get its number, and be taken for it: a log line would
    then go to the guard as a message, or to the workload's input.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number: this one
            os.set_inheritable(number, True)


def _failed(message: str, status: int) -> int:
    print(f"k8s-leader: error: {message}", file=sys.stderr)
    return int(status)


def _command(argv: list[str]) -> Callable[..., int]:
    name = argv[0] if argv else ""
    if name in {"help", "--help", "-h"}:
        return _help
    module = _MODULES.get(name) or _HIDDEN.get(name)
    if module is None:
        return _unknown(name)
    found: Callable[..., int] = getattr(
        import_module(f"k8s_leader.cli.{module}"), module
    )
    return found


def _help(_argv: list[str]) -> int:
    print(_USAGE, end="")
    return int(ExitCode.OK)


def _unknown(name: str) -> Callable[[list[str]], int]:
    from k8s_leader.settings.sources import did_you_mean

    said = f"there is no command {name!r}" if name else "no command was given"
    hint = did_you_mean(name, list(_MODULES)) or "."
    fix = f"Fix: use one of {', '.join(_MODULES)}; see k8s-leader --help"

    def refuse(_argv: list[str]) -> int:
        return _failed(f"{said}{hint} {fix}", ExitCode.SETTINGS)

    return refuse
