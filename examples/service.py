"""
A service in two functions: work only while leading, and a sign of life always.

    python examples/service.py reports

Start it twice: one works, the other stands by, and works as soon as the first one is
stopped.
"""

from __future__ import annotations

import asyncio
import sys

import k8s_leader


async def serve(term: k8s_leader.Term) -> None:
    """
    Work: started as leader, cancelled when the term is over.
    """
    while True:
        print(f"working under fencing token {term.fencing_token}", flush=True)
        await asyncio.sleep(0.2)


def beat(is_leader: bool, _token: object) -> None:
    """
    Be called on every replica; what it raises ends the service.
    """
    print("leading" if is_leader else "standing by", flush=True)


if __name__ == "__main__":
    k8s_leader.run(serve, lease=sys.argv[1], heartbeat=beat, heartbeat_every=1.0)
