"""
What `k8s-leader run` runs is started as if by the kernel, however it was itself.

The guard's part of that is in tests/integration/guard/test_environment.py; here the
whole command is: Python before the guard, and the elector that is started first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.guard.harness import as_pid_1

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

PROBE = """
import json, os, resource
told = ("Umask", "SigBlk", "SigPnd", "ShdPnd", "SigCgt", "CapEff", "Groups")
with open("/proc/self/status") as file:
    status = dict(line.split(":", 1) for line in file)
with open("/proc/self/environ", errors="surrogateescape") as file:
    environ = [each for each in file.read().split("\\0") if each]
with open(f"/proc/self/task/{os.getpid()}/children") as file:
    children = file.read()
names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
print(json.dumps({  # not os.environ: Python adds to that
    "status": {name: status[name] for name in told},
    "environ": sorted(e for e in environ if not e.startswith("LEADER_")),
    "descriptors": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
    "children": children,
    "limits": {name: resource.getrlimit(getattr(resource, name)) for name in names},
    "place": [os.getcwd(), os.nice(0)],
}))
"""
PLAIN = [sys.executable, "-I", "-S", "-c", PROBE]
ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "ODD": "a=b\nc\udcff"}
"""As in a small image: no locale is named, so Python chooses one for itself."""

RUN = [sys.executable, "-m", "k8s_leader", "run"]


def probe(argv: list[str], **environ: str) -> dict[str, Any]:
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**ENVIRON, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("setting", "written", "locale"),
    [
        ("lease", "flag", None),
        ("lease", "flag", "C"),
        ("lease", "file", None),
        ("disabled", "variable", "C"),
        ("disabled", "file", None),
    ],
)
def test_the_command_sees_what_it_would_see_without_us(
    tmp_path: Path, setting: str, written: str, locale: str | None
) -> None:
    """
    In a file it is seen late: an elector was started for nothing.
    """
    value = {"lease": f"sqlite:{tmp_path / 'lease.db'}", "disabled": "true"}[setting]
    environ = {} if locale is None else {"LC_CTYPE": locale}
    expected = probe(PLAIN, **environ)
    flags = {
        "flag": [f"--{setting}", value],
        "file": ["--config", str(tmp_path / "config.yaml")],
        "variable": [],
    }[written]
    (tmp_path / "config.yaml").write_text(f"{setting}: {value}\n")
    if written == "variable":
        environ[f"K8S_LEADER_{setting.upper()}"] = value
    assert probe([*RUN, *flags, "--", *PLAIN], **environ) == expected


STARTS = {
    "stdin closed": 'exec "$@" <&-',
    "stdout closed": 'exec "$@" >&-',
    "stderr closed": 'exec "$@" 2>&-',
    "all closed": 'exec "$@" <&- >&- 2>&-',
    "SIGCHLD ignored": "trap '' CHLD; exec \"$@\"",
    "SIGCHLD blocked": 'exec env --block-signal=CHLD "$@"',
}


@pytest.mark.parametrize(
    ("start", "flag"),
    [*((start, "lease") for start in STARTS), ("all closed", "disabled")],
)
def test_it_ends_as_its_command_however_it_is_started(
    tmp_path: Path, start: str, flag: str
) -> None:
    value = {"lease": f"sqlite:{tmp_path / 'lease.db'}", "disabled": "true"}[flag]
    script = f"for n in 0 1 2; do : >&$n || exit 1; done; echo ran >> {tmp_path}/ran"
    argv = [*RUN, f"--{flag}={value}", "--", "sh", "-c", f"{script}; exit 7"]
    done = subprocess.run(
        ["sh", "-c", STARTS[start], "sh", *argv],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert b"Traceback" not in done.stderr
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_a_namespace_without_its_own_proc_is_refused(tmp_path: Path) -> None:
    """
    What its tree is could not be seen there.
    """
    outside = [word for word in as_pid_1() if word != "--mount-proc"]
    argv = [*RUN, "--lease", f"sqlite:{tmp_path / 'lease.db'}", "--", "true"]
    done = subprocess.run(
        [*outside, *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    assert "of another PID namespace (we are 1, not " in done.stderr
