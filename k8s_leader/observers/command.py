"""
Commands that the elector runs beside the workload: hooks and checks, with a deadline.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence

__all__ = ["run_command"]


async def run_command(
    command: Sequence[str], *, environ: Mapping[str, str], timeout: float
) -> str:
    """
    Run a command in a process group of its own and wait for its end.

    Args:
        command: program and arguments.
        environ: its environment, whole.
        timeout: seconds after which its group is killed.

    Returns:
        what went wrong, in words; empty when it ended with 0.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as exc:
        return f"{command[0]}: {exc}"
    try:
        async with asyncio.timeout(timeout):
            code = await process.wait()
    except TimeoutError:
        return f"{command[0]} took longer than {timeout:g} s and was killed"
    finally:
        if process.returncode is None:
            _kill_group(process.pid)
            await process.wait()
    return f"{command[0]} ended with {code}" if code else ""


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
