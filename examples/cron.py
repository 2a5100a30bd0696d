"""
A cron of a few lines, as supercronic is one: a line is ``SECONDS COMMAND``.

    k8s-leader run --lease jobs -- python examples/cron.py examples/crontab

It needs no code of the library. Under the entrypoint the job that runs at a loss goes
with its cron: all of the tree is killed before another replica's cron begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path


async def repeat(every: float, command: str) -> None:
    while True:
        job = await asyncio.create_subprocess_shell(command)
        await asyncio.gather(job.wait(), asyncio.sleep(every))


def read(crontab: str) -> list[tuple[float, str]]:
    lines = Path(crontab).read_text().splitlines()
    jobs = [line.split(maxsplit=1) for line in lines if line and line[0] != "#"]
    return [(float(every), command) for every, command in jobs]


async def main(jobs: list[tuple[float, str]]) -> None:
    work = asyncio.gather(*(repeat(every, command) for every, command in jobs))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


if __name__ == "__main__":
    asyncio.run(main(read(*sys.argv[1:])))
