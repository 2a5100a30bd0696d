"""
A kopf operator of which one replica works and the others stand by.

    python examples/kopf_operator.py NAMESPACE

It greets each ConfigMap labelled ``greet=yes``. On the machine of a developer, name a
namespace to which the kubeconfig gives access; two of these at once are two replicas.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import kopf

from k8s_leader.integrations import kopf as active_passive


@kopf.on.startup()
async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.queueing.exit_timeout = 1.0  # a handler may finish, if it is quick
    settings.posting.enabled = False


@kopf.on.create("configmaps", labels={"greet": "yes"})
async def greet(name: str | None, **_: Any) -> dict[str, str]:
    print(f"hello, {name}", flush=True)
    return {"greeted": "yes"}


def main(namespace: str) -> None:
    logging.basicConfig(level=logging.INFO)
    active_passive.run(
        lease=f"{namespace}/greeter", namespaces=[namespace], standalone=True
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
