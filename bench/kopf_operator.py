"""
An operator that writes down what it does: ``python bench/kopf_operator.py WAY``.

``ours``: led by k8s-leader; ``peering``: by kopf's own peering, with a priority. Both
with their defaults. Environment: NAME, PRIORITY, NAMESPACE, JOURNAL, KUBECONFIG.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from typing import Any

import kopf

from k8s_leader.integrations import kopf as active_passive

__all__: list[str] = []

_WHAT = "configmaps"
_WANTED = {"bench": "yes"}


def _write(event: str, about: str) -> None:
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    line = f"{now:.6f} {os.environ['NAME']} {event} {about}\n"
    out = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(out, line.encode())
    os.close(out)


@kopf.on.startup()
async def _begin(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    _write("startup", "-")


@kopf.on.create(_WHAT, labels=_WANTED)
async def _handle(name: str | None, **_: Any) -> None:
    _write("handled", str(name))


@kopf.timer(_WHAT, labels=_WANTED, annotations={"ticks": "yes"}, interval=0.1)
async def _tick(**_: Any) -> None:
    _write("tick", "-")


def _run(way: str) -> None:
    namespace = os.environ["NAMESPACE"]
    if way == "ours":
        active_passive.run(
            lease=f"{namespace}/operator", namespaces=[namespace], standalone=True
        )
        return
    asyncio.run(
        kopf.operator(
            namespaces=[namespace],
            peering_name="operator",
            priority=int(os.environ["PRIORITY"]),
        )
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    _run(sys.argv[1])
