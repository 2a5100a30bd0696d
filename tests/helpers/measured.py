"""
Coverage of processes that start without ``site``: the guard.

Coverage follows child processes through a file in site-packages, which ``-S`` does not
load. :func:`interpreter` gives a stand-in for ``sys.executable`` that starts coverage
first and then does what the arguments say; without coverage it is the interpreter
itself. The stand-in replaces itself, so the process id, the inherited descriptors and
the blocked signals are those of the real thing.

Use it where a test starts the guard: ``[interpreter(tmp_path), "-I", "-S", path, fd]``.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

__all__ = ["interpreter"]

_START = """\
import sys
sys.path.append({site!r})
import coverage
coverage.process_startup()
import runpy
while sys.argv[1].startswith("-"):
    del sys.argv[1]
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


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
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {start} "$@"\n')
    program.chmod(0o755)
    return str(program)
