"""
A guard that is killed while its elector starts takes nobody along that is not its own.

The elector that loses its parent is adopted by init. One that took init for its guard
killed every process of the machine, so this is played in a PID namespace of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_leader.cli.arguments import parse_settings
from k8s_leader.cli.guard_config import guard_config
from k8s_leader.cli.run import parser
from k8s_leader.settings import Settings
from tests.integration.guard.harness import as_pid_1

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

HELD = """
import os, sys, time
open(sys.argv[1], "w").close()
while os.getppid() != 1:
    time.sleep(0.005)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""An elector that gets no further before its guard is dead."""

WORLD = """
import json, os, subprocess, sys, time
assert os.getpid() == 1
guard, config, when, flag = sys.argv[1:]
bystander = subprocess.Popen(["sleep", "600"])
fd = os.memfd_create("config")
os.write(fd, open(config, "rb").read())
started = subprocess.Popen([sys.executable, "-I", "-S", guard, str(fd)], pass_fds=[fd])
if when == "held":
    while not os.path.exists(flag):
        time.sleep(0.005)
else:
    time.sleep(float(when))
started.kill()
deadline = time.monotonic() + 60
while True:
    pid, status = os.waitpid(-1, os.WNOHANG)
    if pid == bystander.pid:
        sys.exit("the bystander was killed")
    with open("/proc/self/task/1/children") as file:
        left = file.read().split()
    if left == [str(bystander.pid)]:
        sys.exit(0)
    if time.monotonic() > deadline:
        sys.exit(f"these live on: {left}")
    time.sleep(0.01)
"""


def _config(tmp_path: Path, *, held: bool) -> Path:
    words = ["--lease", f"sqlite:{tmp_path}/lease.db", "--lease-duration", "60s"]
    settings = Settings.load(parse_settings(parser(), words)[1], {})
    made = guard_config(settings, ["sleep", "600"], {})
    if held:
        hold = [sys.executable, "-I", "-S", "-c", HELD, str(tmp_path / "flag")]
        made["elector_argv"] = [*hold, *made["elector_argv"]]
    (tmp_path / "config").write_text(json.dumps(made))
    return tmp_path / "config"


@pytest.mark.parametrize("when", ["held", "0.02", "0.1", "0.3", "0.6"])
def test_s5_an_elector_whose_guard_is_dead_never_takes_init_for_it(
    tmp_path: Path, when: str
) -> None:
    config = _config(tmp_path, held=when == "held")
    guard = ROOT / "k8s_leader" / "guard" / "__main__.py"
    words = [str(guard), str(config), when, str(tmp_path / "flag")]
    world = [*as_pid_1(), sys.executable, "-I", "-S", "-c", WORLD, *words]
    done = subprocess.run(world, check=False, timeout=120, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    if when == "held":
        assert b"the guard is dead" in done.stderr
