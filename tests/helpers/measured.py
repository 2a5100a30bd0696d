"""
Coverage of processes that start without ``site``: the guard.

Coverage follows child processes through a file in site-packages, which ``-S`` does not
load. :func:`interpreter` gives a stand-in for ``sys.executable`` that starts coverage
first and then does what the arguments say; without coverage it is the interpreter
itself. The stand-in replaces itself, so the process id, the inherited descriptors and
the blocked signals are those of the real thing.

Where a test starts the guard: ``[interpreter(tmp_path), "-I", "-S", path, fd]``; where
it starts the whole command: ``command(tmp_path, "run", "--lease", ...)``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["command", "interpreter", "unmeasured"]

_START = """\
import sys
sys.path.append({site!r})
import coverage
coverage.process_startup()
from importlib.machinery import ModuleSpec
del sys.argv[0]
path = sys.argv[0]
# The name tells coverage which package the script belongs to.
name = ".".join(path.removesuffix(".py").split("/")[-3:])
scope = {{"__name__": "__main__", "__file__": path}}
scope["__spec__"] = ModuleSpec(name, None)
with open(path) as file:
    exec(compile(file.read(), path, "exec"), scope)
"""


def unmeasured() -> dict[str, str]:
    """
    Return the environment in which no coverage is measured, which loads modules.
    """
    return {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}


def interpreter(folder: Path) -> str:
    """
    Return the program to start a script with; writes a stand-in when measuring.

    Args:
        folder: a place of the test's own.
    """
    if "COVERAGE_PROCESS_CONFIG" not in os.environ:
        return sys.executable
    start, program = folder / "measured_start.py", folder / "measured-python"
    start.write_text(_START.format(site=sysconfig.get_path("purelib")))
    _write_program(
        program,
        "#!/bin/sh\n"
        f'if [ "$1 $2" = "-I -S" ]; then shift 2; set -- -I -S {start} "$@"; fi\n'
        f'exec {sys.executable} "$@"\n',
    )
    return str(program)


def _write_program(path: Path, text: str) -> None:
    """
    Write an executable file, in a process of its own.

    Were it open for writing here, a child that another thread forks meanwhile would
    have it open too, and the kernel starts no such file ("text file busy").
    """
    script = 'cat >"$0" && chmod 755 "$0"'
    subprocess.run(["sh", "-c", script, path], input=text.encode(), check=True)


def command(folder: Path, *words: str) -> list[str]:
    """
    Return how to start ``k8s-leader`` so that its guard is measured, too.

    Args:
        folder: a place of the test's own.
        words: the command line, such as ``"run", "--lease", ...``.
    """
    code = (
        f"import sys; sys.executable = {interpreter(folder)!r}; "
        "from k8s_leader.cli import main; sys.exit(main())"
    )
    return [sys.executable, "-c", code, *words]
