"""
Many candidates in one process: ``python -m bench.crowd``; started by bench/crowds.py.

All of them share a thread and a client, as an application does that competes for many
leases. A line is printed when all have entered, and for each term that begins.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack

import k8s_leader

_STARTS = 20
"""So many start at a time: each opens a connection for its watch."""


def _say(event: str, **facts: object) -> None:
    at = time.clock_gettime(time.CLOCK_BOOTTIME)
    sys.stdout.write(json.dumps({"event": event, "boot": at, **facts}) + "\n")
    sys.stdout.flush()


async def _lead(candidate: k8s_leader.Candidate, lease: str) -> None:
    async for term in candidate.terms():
        async with term:
            _say("leads", lease=lease, token=term.fencing_token)
            await asyncio.Event().wait()  # until the term is over


async def _crowd(given: argparse.Namespace) -> None:
    leases = [f"{given.namespace}/{name}" for name in given.leases.split(",")]
    gate = asyncio.Semaphore(_STARTS)
    async with (
        k8s_leader.Runtime(kubeconfig=given.kubeconfig) as runtime,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as group,
    ):

        async def enter(number: int) -> None:
            lease = leases[number % len(leases)]
            async with gate:
                candidate = await stack.enter_async_context(
                    k8s_leader.campaign(
                        lease=lease,
                        runtime=runtime,
                        identity=f"{given.identity}-{number}",
                        lease_duration=given.lease_duration,
                    )
                )
            group.create_task(_lead(candidate, lease), name=f"lead-{number}")

        starts = (enter(number) for number in range(given.candidates))
        await asyncio.gather(*starts)
        _say("ready")


def main() -> None:
    """
    Compete until killed.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.crowd")
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--leases", required=True, help="names, with commas")
    parser.add_argument("--candidates", type=int, required=True)
    parser.add_argument("--identity", required=True)
    parser.add_argument("--lease-duration", type=float, default=15.0)
    asyncio.run(_crowd(parser.parse_args()))


if __name__ == "__main__":
    main()
