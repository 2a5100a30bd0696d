"""
``k8s-leader demo``: three candidates of this machine elect, hand over and fail over.

Everything is real: three ``k8s-leader run`` processes on one lease, each running a
small program while it leads. The figures at the end are computed from what those
programs wrote themselves, not from what the candidates say about them.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence

from k8s_leader.cli.demo_journal import Journal, Term

__all__ = ["demo"]

_WORKLOAD = """
import os, signal, sys, time
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
who = os.environ["LEADER_IDENTITY"].rpartition("_")[0]
token = os.environ["LEADER_FENCING_TOKEN"]
def write(event):
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    os.write(out, f"{now:.6f} {token} {who} {event}\\n".encode())
def stop(*_):
    write("end")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
write("start")
while True:
    time.sleep(0.02)
    write("beat")
"""
_TIMINGS: tuple[str, ...] = (
    "--lease-duration",
    "4s",
    "--safety-margin",
    "0.5s",
    "--log-level",
    "error",
)
_CLUSTER_TIMINGS = ("--lease-duration", "7s", "--log-level", "error")
_NAMES = ("anna", "boris", "clara")
_PATIENCE = 60.0


def demo(argv: Sequence[str]) -> int:
    """
    Show an election on this machine; return 0 if never more than one led.

    Args:
        argv: the words after ``demo``.
    """
    options = _parser().parse_args(list(argv))
    with tempfile.TemporaryDirectory(prefix="k8s-leader-demo-") as folder:
        stage = _Stage(folder, kubernetes=options.kubernetes)
        try:
            return stage.play()
        finally:
            stage.clear()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="k8s-leader demo",
        description="Three candidates elect a leader, hand over and fail over, live.",
    )
    parser.add_argument(
        "--kubernetes",
        action="store_true",
        help="elect on a Lease of the current kubeconfig's cluster, not on SQLite; "
        "it is deleted at the end",
    )
    return parser


class _Stage:
    """
    The candidates of one demonstration, and what is shown of them.
    """

    def __init__(self, folder: str, *, kubernetes: bool) -> None:
        self._folder = folder
        self._journal = Journal(os.path.join(folder, "journal"))
        self._lease = f"sqlite:{folder}/lease.db"
        self._timings = _TIMINGS
        self._kubernetes = kubernetes
        if kubernetes:
            self._lease = f"k8s-leader-demo-{uuid.uuid4().hex[:8]}"
            self._timings = _CLUSTER_TIMINGS
        self._candidates: dict[str, subprocess.Popen[bytes]] = {}
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._began = time.monotonic()

    def play(self) -> int:
        """
        Run all acts; return the exit status.
        """
        self._say(f"three candidates, one lease: {self._lease}")
        for name in _NAMES:
            self._start(name)
        first = self._next_leader(after=None)
        self._say(f"{first.who} leads, the others stand by", strong=True)
        rows = [self._hand_over(first, signal.SIGTERM)]
        rows.append(self._hand_over(rows[-1][2], signal.SIGKILL))
        rows.append(self._hand_over(rows[-1][2], signal.SIGTERM))
        for process in self._candidates.values():
            process.send_signal(signal.SIGTERM)
        for process in self._candidates.values():
            process.wait(_PATIENCE)
        return self._result(rows)

    def clear(self) -> None:
        """
        Leave no candidate and no Lease behind, whatever happened.
        """
        for process in self._candidates.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        if self._kubernetes:
            from k8s_leader.cli.demo_lease import remove_lease

            remove_lease(self._lease)

    def _start(self, name: str) -> None:
        argv = [sys.executable, "-m", "k8s_leader", "run", "--lease", self._lease]
        argv += ["--identity", name, *self._timings, "--"]
        argv += [sys.executable, "-I", "-S", "-c", _WORKLOAD, self._journal.path]
        self._candidates[name] = subprocess.Popen(argv, stdin=subprocess.DEVNULL)

    def _hand_over(self, leader: Term, number: int) -> tuple[str, float, Term]:
        """
        End the leader with a signal; return what was done, how long it took, who next.
        """
        self._rest(1.5)
        name = signal.Signals(number).name
        how = "stops gracefully" if number == signal.SIGTERM else "is killed"
        self._say(f"{leader.who} {how} ({name})")
        process = self._candidates[leader.who]
        sent = time.clock_gettime(time.CLOCK_BOOTTIME)
        process.send_signal(number)
        process.wait(_PATIENCE)
        following = self._next_leader(after=leader)
        took = following.began - sent
        self._say(f"{following.who} leads after {_spell(took)}", strong=True)
        self._start(leader.who)
        return f"{leader.who} {how}", took, following

    def _next_leader(self, *, after: Term | None) -> Term:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            terms = self._journal.terms()
            if terms and (after is None or terms[-1].token > after.token):
                return terms[-1]
            self._check_alive()
            time.sleep(0.005)
        raise SystemExit("k8s-leader demo: nobody became leader within a minute")

    def _check_alive(self) -> None:
        """
        End with the candidates' own message when none of them could start.
        """
        codes = [process.poll() for process in self._candidates.values()]
        if codes and all(code is not None for code in codes):
            raise SystemExit(codes[0] or 1)

    def _rest(self, seconds: float) -> None:
        """
        Let the leader work for a while, so that there is something to see.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.1)
            if self._colour:
                beats = self._journal.lines()
                print(f"\r  {beats} lines written by leaders", end="", flush=True)
        if self._colour:
            print("\r\033[K", end="", flush=True)

    def _result(self, rows: Sequence[tuple[str, float, Term]]) -> int:
        terms = self._journal.terms()
        most = self._journal.most_at_once()
        print("\n  what happened            next leader  next workload runs after")
        for what, took, following in rows:
            print(f"  {what:<24} {following.who:<12} {_spell(took)}")
        print(f"\n  terms: {len(terms)}, fencing tokens {[t.token for t in terms]}")
        verdict = f"leaders at once: never more than {most}"
        if most > 1:
            verdict = f"leaders at once: {most}. That is a bug; please report it"
        print(f"  {verdict} (from {self._journal.lines()} lines of the workloads)")
        return 0 if most == 1 else 1

    def _say(self, text: str, *, strong: bool = False) -> None:
        since = time.monotonic() - self._began
        if strong and self._colour:
            text = f"\033[1;32m{text}\033[0m"
        print(f"{since:6.2f} s  {text}", flush=True)


def _spell(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
