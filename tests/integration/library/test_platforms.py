"""
Linux without what only Linux has: how the library does on macOS and Windows.

Not the real platforms: no test of this project runs there. What they lack is taken
from a fresh interpreter before the library is loaded.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

_MACOS = """
import ctypes, os, signal, socket, sys, time
import argparse, asyncio, multiprocessing, shutil, subprocess, tempfile, threading
for module, names in (
    (time, ("CLOCK_BOOTTIME",)),
    (os, ("pidfd_open", "memfd_create", "eventfd", "sched_getaffinity")),
    (signal, ("sigtimedwait", "sigwaitinfo")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
class NoLibrary:
    def __init__(self, *_, **__): pass
    def __getattr__(self, name): raise AttributeError(name)
ctypes.CDLL = NoLibrary  # no timer_create, no prctl, no inotify
sys.platform = "darwin"
"""

_WINDOWS = (
    _MACOS
    + """
for module, names in (
    (time, ("clock_gettime", "CLOCK_MONOTONIC", "CLOCK_REALTIME")),
    (os, ("fork", "forkpty", "register_at_fork", "uname", "getuid", "geteuid",
          "setsid", "killpg", "waitid", "O_CLOEXEC", "WNOHANG")),
    (signal, ("pthread_sigmask", "pthread_kill", "SIGKILL", "SIGHUP", "SIGQUIT",
              "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGALRM", "SIGSTOP", "SIGCONT",
              "setitimer", "alarm", "sigwait", "sigpending", "SIG_BLOCK")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty"):
    sys.modules[name] = None  # importing it fails
def refuse(*_): raise NotImplementedError
asyncio.AbstractEventLoop.add_signal_handler = refuse
asyncio.SelectorEventLoop.add_signal_handler = refuse
sys.platform = "win32"
"""
)

_LEAD = """
import k8s_leader
led = []
async def serve(term):
    led.append(term.fencing_token)
    stop.set()
stop = k8s_leader.Signal()
k8s_leader.run(serve, lease=sys.argv[1], stop=stop, lease_duration=7.0)
print("led", bool(led))
"""

_BLOCK = """
import k8s_leader
async def serve(term):
    print("leads", flush=True)
    leads.set()
    time.sleep(60)
k8s_leader.run(serve, lease=sys.argv[1], lease_duration=3.0, safety_margin=0.4)
"""

_RUN = """
from k8s_leader.cli import main
sys.exit(main(["run", "--lease", "x", "--", "true"]))
"""

PLATFORMS = pytest.mark.parametrize(
    "platform", [_MACOS, _WINDOWS], ids=["macos", "windows"]
)


def python(
    *code: str, lease: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "\n".join(code), lease],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=ROOT,
    )


@PLATFORMS
@pytest.mark.parametrize("store", ["memory:one", "sqlite"])
def test_the_library_imports_elects_and_releases(
    platform: str, store: str, tmp_path: Path
) -> None:
    lease = store if ":" in store else f"sqlite:{tmp_path / 'lease.db'}"
    for _ in range(2):  # the second one finds the lease released
        done = python(platform, _LEAD, lease=lease)
        assert (done.returncode, done.stdout) == (0, "led True\n"), done.stderr


@PLATFORMS
@pytest.mark.slow
def test_s10_a_workload_that_outstays_a_loss_is_ended_by_the_weaker_line(
    platform: str, tmp_path: Path
) -> None:
    path = tmp_path / "lease.db"
    steal = f"""
import sqlite3, threading
leads = threading.Event()
def hold():
    leads.wait()
    holding = sqlite3.connect({str(path)!r}, isolation_level=None)
    holding.execute("BEGIN EXCLUSIVE")
    time.sleep(60)
threading.Thread(target=hold, daemon=True).start()
"""
    done = python(platform, steal, _BLOCK, lease=f"sqlite:{path}")
    assert done.stdout == "leads\n"
    assert done.returncode == 1, done.stderr


@PLATFORMS
def test_run_refuses_and_says_what_to_do_instead(platform: str) -> None:
    done = python(platform, _RUN)
    assert done.returncode == 78
    assert "Linux: only there" in done.stderr
    assert "use the library" in done.stderr
    assert "Traceback" not in done.stderr
