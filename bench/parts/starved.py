"""
How late renewals come while the workload takes all the processor it can get.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time

from bench.audit import writes
from bench.candidates import Kind
from bench.electors import Measured, each
from bench.figures import Samples
from bench.lab import Lab
from bench.part import Part, Row

__all__ = ["PART"]

_PERIOD = 1.0
_LEASES = (25, 4)
_SECONDS = (90.0, 15.0)
_BURNERS = 2 * (os.cpu_count() or 1)
_OPTIONS = {
    "ours": (f"--renew-every={_PERIOD:g}s", "--http=off"),
    "client-go": (f"--retry-period={_PERIOD:g}s",),
    "asyncio": (f"--retry-period={_PERIOD:g}",),
}


def measure(lab: Lab) -> Samples:
    """
    Starve each elector's leaders, one elector after the other.
    """
    return each(lab, lambda kind: _starved(lab, kind))


def _starved(lab: Lab, kind: Kind) -> Measured:
    stages = [
        lab.stage(kind, options=_OPTIONS[kind.name]) for _ in range(_LEASES[lab.quick])
    ]
    burners: list[subprocess.Popen[bytes]] = []
    try:
        for stage in stages:
            stage.enter("a")
        for stage in stages:
            stage.wait_started(timeout=90)
        burners = [_burn(lab) for _ in range(_BURNERS)]
        time.sleep(2)
        since = time.time()
        time.sleep(_SECONDS[lab.quick])
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
            lab.lifeline.discard(burner.pid)
        for stage in stages:
            stage.close()
    events = lab.api.audit_events()
    late: list[float] = []
    for stage in stages:
        done = [w.done for w in writes(events, user=stage.seat("a").user, since=since)]
        pairs = itertools.pairwise(done)
        late += [max(0.0, after - before - _PERIOD) for before, after in pairs]
    return {"late": late}


def _burn(lab: Lab) -> subprocess.Popen[bytes]:
    burner = subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"])
    lab.lifeline.add(burner.pid)
    return burner


PART = Part(
    name="starved",
    about=f"{_LEASES[0]} leaders renew once in {_PERIOD:g} s beside twice as many busy "
    "processes as there are cores, all at the same priority: how much later than due a "
    "renewal is answered. API server and etcd compete for the same cores.",
    rows=(Row(key="late", what="renewal later than due"),),
    measure=measure,
    rounds=(1, 1),
)
