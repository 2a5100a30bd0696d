"""
One guard as a real process: started as `k8s-leader run` starts it, and looked after.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8s_leader.cli.arguments import parse_settings
from k8s_leader.cli.guard_config import guard_config
from k8s_leader.cli.run import parser
from k8s_leader.guard.cgroup import Cgroup
from k8s_leader.settings import Settings
from tests.helpers import scripted_elector
from tests.helpers.candidate import wait_until
from tests.helpers.measured import interpreter
from tests.helpers.scripted_elector import ElectorDesk, ScriptedElector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

__all__ = [
    "LONG",
    "MARK",
    "MILD",
    "SHORT",
    "Guarded",
    "as_numeric_user",
    "as_pid_1",
    "marked",
]

ROOT = Path(__file__).parents[3]
MARK = "GUARD_TESTMARK"

SHORT = (
    *("--lease-duration", "3s"),
    *("--renew-deadline", "1600ms"),
    *("--kill-time", "300ms"),
    *("--safety-margin", "300ms"),
    *("--request-timeout", "300ms"),
    *("--stop-timeout", "1s"),
)
"""
The stop comes 1.6 s after a grant, the kill at 1.9 s, its end at 2.7 s.

A guard that is 0.4 s late with its kill is killed by the kernel (status -9): rightly,
but not what most tests are about.
"""

MILD = (
    *("--lease-duration", "8s"),
    *("--renew-deadline", "3s"),
    *("--kill-time", "1s"),
    *("--safety-margin", "300ms"),
    *("--request-timeout", "300ms"),
    *("--stop-timeout", "1s"),
)
"""
The stop comes 3 s after a grant, the kill at 4 s, its end at 7.7 s.

Where a guard is to have the last word: it may be 1.8 s late before the kernel kills it.
"""

LONG = ("--lease-duration", "60s", "--stop-timeout", "25s")
"""No deadline of the grant comes in the way of the test."""


def as_pid_1() -> list[str]:
    """
    Return the words before a command that make it PID 1 of its own namespace.
    """
    mapped = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *mapped, "--pid", "--fork", "--mount-proc", "--kill-child"]


_JAIL = """
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/python /mnt/root
mount --bind "$1" /mnt/python
mount --bind "$2" /mnt/root
mount -o remount,bind,ro /mnt/python
mount -o remount,bind,ro /mnt/root
mount -o remount,ro /mnt
mount -o remount,bind,ro /
shift 2
exec setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs \\
    --inh-caps=-all --bounding-set=-all "$@"
"""


def as_numeric_user(*, pid_1: bool = False) -> dict[str, Any]:
    """
    Return options that run the guard as a user that is but a number.

    Without a capability, on a read-only root, as a careful container does; python and
    checkout are mounted where that user may read them. Whoever tests without being
    root is such a user already.
    """
    if os.geteuid() != 0:
        return {"prefix": as_pid_1()} if pid_1 else {}
    binary = Path(sys.executable).resolve()
    outside = as_pid_1() if pid_1 else ["unshare"]
    jail = ["sh", "-c", _JAIL, "sh", str(binary.parent.parent), str(ROOT)]
    return {
        "prefix": [*outside, "--mount", *jail],
        "python": f"/mnt/python/bin/{binary.name}",
        "root": Path("/mnt/root"),
    }


class Guarded:
    """
    A guard, its scripted elector, and the command that it is to run.

    Args:
        command: the workload.
        folder: for logs and the measuring interpreter.
        flags: as a person would give them to `k8s-leader run`.
        prefix: words before the guard's command line.
        environ: what is added to the guard's environment.
        stdin: of the guard and so of its workload.
        stdout: another stdout than the file that `said` reads.
        python: interpreter for guard and elector, if not the measured one.
        root: where the package and the tests lie, as that interpreter sees them.
        config: entries of the guard's configuration to replace.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        flags: Sequence[str] = LONG,
        prefix: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        python: str | None = None,
        root: Path = ROOT,
        config: Mapping[str, object] | None = None,
        **popen: Any,
    ) -> None:
        words = ["--lease", "tests/lease", *map(str, flags)]
        settings = Settings.load(parse_settings(parser(), words)[1], {})
        self.timing = settings.timing
        self.mark = str(uuid.uuid4())
        self.desk = ElectorDesk(settings.timing)
        script = Path(scripted_elector.__file__).relative_to(ROOT)
        elector = [python or sys.executable, "-I", "-S", str(root / script)]
        made = guard_config(settings, command, {}) | {
            "elector_argv": [*elector, self.desk.address],
            **(config or {}),
        }
        self._out, self._err = folder / "stdout", folder / "stderr"
        fd = os.memfd_create("config")
        os.write(fd, json.dumps(made).encode())
        guard = str(root / "k8s_leader" / "guard" / "__main__.py")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*prefix, python or interpreter(folder), "-I", "-S", guard, str(fd)],
                stdin=stdin,
                stdout=out if stdout is None else stdout,
                stderr=err,
                pass_fds=[fd],
                env={**os.environ, **(environ or {}), MARK: self.mark},
                **popen,
            )
        os.close(fd)
        self.pid = self.process.pid
        """Of the guard itself once an elector was met."""
        self._cgroup: str | None = None

    def meet(self, *, timeout: float = 30.0) -> ScriptedElector:
        """
        Return the next elector that the guard starts.
        """
        elector = self.desk.meet(timeout=timeout)
        self.pid = elector.guard
        self._cgroup = elector.hello.get("cgroup")
        return elector

    def lead(self, *, token: int = 7) -> ScriptedElector:
        """
        Meet the elector and have it start the workload.
        """
        elector = self.meet()
        elector.start(token=token)
        elector.expect("started")
        return elector

    def send(self, number: int) -> None:
        """
        Send the guard a signal.
        """
        os.kill(self.pid, number)

    def said(self) -> str:
        """
        Return what the workload wrote to stdout.
        """
        return self._out.read_text()

    def logged(self) -> str:
        """
        Return what the guard wrote to stderr.
        """
        return self._err.read_text()

    def await_said(self, text: str, *, timeout: float = 30.0) -> None:
        """
        Wait until the workload wrote something.
        """
        wait_until(lambda: text in self.said(), timeout=timeout, why=f"it says {text}")

    def await_logged(self, text: str, *, timeout: float = 30.0) -> None:
        """
        Wait until the guard wrote something.
        """
        wait_until(lambda: text in self.logged(), timeout=timeout, why=f"log: {text}")

    def wait(self, *, timeout: float = 30.0) -> int:
        """
        Wait for the guard's end; return the status as a shell shows it.
        """
        code = self.process.wait(timeout)
        return code if code >= 0 else 128 - code

    def finish(self, elector: ScriptedElector) -> int:
        """
        Wait until the workload is gone, end the elector as after a release.
        """
        elector.expect("gone")
        elector.exit(0)
        return self.wait()

    def survivors(self) -> list[str]:
        """
        Return what lives of the workload: all that is neither guard nor elector.
        """
        known = {self.pid, self.process.pid, *self.desk.pids}
        return [f"{pid} {line}" for pid, line in marked(self.mark) if pid not in known]

    def await_survivor(self) -> int:
        """
        Return the only process that lives of the workload.

        From one look: who execs has no environment meanwhile, and is not seen.
        """
        (line,) = wait_until(self.survivors, why="it lives")
        return int(line.split()[0])

    def await_no_survivors(self) -> None:
        """
        Wait until nothing of the workload lives.
        """
        wait_until(lambda: not self.survivors(), why="nothing of it lives")

    def sweep(self) -> None:
        """
        Kill whatever is left, and wait until it is gone.
        """
        deadline = time.monotonic() + 10
        while found := marked(self.mark):
            assert time.monotonic() < deadline, f"cannot be killed: {found}"
            for pid, _ in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.002)

    def close(self) -> list[str]:
        """
        End everything; return what should not have lived any more.

        An elector may need a moment to notice that its guard was killed.
        """
        over = self.process.poll() is not None
        left = self.survivors() if over else ["the guard"]
        if over and not left:
            wait_until(lambda: not marked(self.mark), why="the elector ends")
        self.desk.close()
        self.process.kill()
        killed = Path(self._cgroup or "/nowhere")
        if killed.exists():  # its guard could not remove it
            Cgroup(str(killed)).kill()
        self.sweep()
        self.process.wait()
        if killed.exists():  # who has just ended leaves it a moment later
            wait_until(lambda: "populated 0" in (killed / "cgroup.events").read_text())
            killed.rmdir()
        return left


def marked(mark: str) -> list[tuple[int, str]]:
    """
    Return pid and command line of all living processes that a guard started.
    """
    wanted, found = f"{MARK}={mark}".encode(), []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if wanted in (folder / "environ").read_bytes():
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found.append((int(folder.name), line.decode(errors="replace")))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
    return found
