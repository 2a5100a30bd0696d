"""
An operator that writes down all it does; run by path, or by ``kopf run``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from typing import Any

import kopf

from k8s_leader.integrations import kopf as leader

NAME, PATH = os.environ["NAME"], os.environ["JOURNAL"]
NAMESPACE = os.environ["NAMESPACE"]
LEASE = f"{NAMESPACE}/operator"
LIVENESS = os.environ.get("LIVENESS")
GROUP = ("test.k8s-leader.io", "v1", "reports")
# The grant is 5.5 s: a busy machine gets 3 s of it to renew and 2 s to stop kopf.
TIMINGS: dict[str, Any] = {
    "lease_duration": 8.0,
    "safety_margin": 2.5,
    "renew_deadline": 3.5,
    "renew_every": 0.5,
    "kill_time": 2.0,
    "stop_timeout": float(os.environ.get("STOP_TIMEOUT", "25")),
}


def write(event: str, about: str = "") -> None:
    line = {
        "at": time.clock_gettime(time.CLOCK_BOOTTIME),
        "event": event,
        "about": about,
        "name": NAME,
    }
    out = os.open(PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(out, (json.dumps(line) + "\n").encode())
    os.close(out)


if os.environ["WAY"] == "lead":
    leader.lead(lease=LEASE, liveness_endpoint=LIVENESS, **TIMINGS)


@kopf.on.startup()
async def begin(settings: kopf.OperatorSettings, **_: Any) -> None:
    write("startup")
    settings.persistence.finalizer = f"{GROUP[0]}/finalizer"
    settings.posting.enabled = False
    settings.queueing.exit_timeout = 0.2  # below the kill time of these timings


@kopf.on.cleanup()
async def end(**_: Any) -> None:
    write("cleanup")


@kopf.on.create(*GROUP)
async def created(name: str | None, **_: Any) -> None:
    write("create", name or "")


@kopf.on.update(*GROUP)
def updated(name: str | None, **_: Any) -> None:  # in a thread
    write("update", name or "")


@kopf.timer(*GROUP, interval=0.05)
async def tick(**_: Any) -> None:
    write("timer")


@kopf.daemon(*GROUP)
async def plain_daemon(**_: Any) -> None:
    while True:  # knows nothing of stopping
        write("daemon")
        await asyncio.sleep(0.05)


@kopf.daemon(*GROUP)
def threaded(stopped: kopf.DaemonStopped, **_: Any) -> None:
    stubborn = os.environ.get("STUBBORN")
    while stubborn or not stopped:
        write("thread")
        threading.Event().wait(0.05)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    leader.run(
        lease=LEASE,
        leader=TIMINGS,  # type: ignore[arg-type]  # a part of Options
        liveness_endpoint=LIVENESS,
        clusterwide=False,
        namespaces=[NAMESPACE],
        standalone=True,
    )
