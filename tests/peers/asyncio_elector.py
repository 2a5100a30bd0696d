"""
A candidate on kubernetes_asyncio's own elector, unmodified.

Prints the same JSON lines as the client-go one. It never releases: that elector has
no such thing, so its Lease expires after SIGTERM as after SIGKILL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from typing import Any

from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.leaderelection.electionconfig import Config
from kubernetes_asyncio.leaderelection.leaderelection import LeaderElection
from kubernetes_asyncio.leaderelection.resourcelock.leaselock import LeaseLock

_PR_SET_PDEATHSIG = 1


def report(event: str, *, identity: str) -> None:
    line = {
        "event": event,
        "identity": identity,
        "boot": time.clock_gettime(time.CLOCK_BOOTTIME),
        "wall": time.time(),
        "pid": os.getpid(),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def work(options: argparse.Namespace) -> None:
    """
    Say that this candidate leads and run the command, if any, until cancelled.
    """
    report("started_leading", identity=options.identity)
    if not options.command:
        return
    process = await asyncio.create_subprocess_exec(
        *options.command, preexec_fn=die_with_parent
    )
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def campaign(options: argparse.Namespace) -> None:
    """
    Elect until the term is lost.
    """
    await config.load_kube_config(config_file=options.kubeconfig)
    async with ApiClient() as client:

        async def lead() -> None:
            await work(options)

        async def stopped() -> None:
            report("stopped_leading", identity=options.identity)

        settings = Config(
            LeaseLock(options.lease, options.namespace, options.identity, client),
            lease_duration=options.lease_duration,
            renew_deadline=options.renew_deadline,
            retry_period=options.retry_period,
            onstarted_leading=lead,
            onstopped_leading=stopped,
        )
        report("campaigning", identity=options.identity)
        await LeaderElection(settings).run()


async def main(options: argparse.Namespace) -> None:
    """
    Campaign until the term is lost or a signal comes.
    """
    loop = asyncio.get_running_loop()
    campaigning: asyncio.Task[Any] = asyncio.create_task(campaign(options))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, campaigning.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await campaigning
    # The elector leaves its callback's task to itself when it is cancelled.
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def whole(text: str) -> int:
    """
    Read whole seconds; that elector writes the Lease through ``int(str(seconds))``.
    """
    return round(float(text))


def parse() -> argparse.Namespace:
    """
    Read the command line; the flags are those of the client-go program.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--lease", required=True)
    parser.add_argument("--identity", required=True)
    parser.add_argument("--lease-duration", type=whole, default=15)
    parser.add_argument("--renew-deadline", type=whole, default=10)
    parser.add_argument("--retry-period", type=whole, default=2)
    parser.add_argument("command", nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(parse()))
