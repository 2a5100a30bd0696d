"""
APScheduler on every replica; its jobs run on the leader.

    python examples/scheduler.py sqlite:/tmp/jobs.db

One decorator makes one candidacy, which stands between jobs: so replicas whose jobs
are due at the same time run each once, not one replica after the other.
"""

from __future__ import annotations

import os
import signal
import sys

from apscheduler.schedulers.blocking import BlockingScheduler

import k8s_leader


def main(lease: str) -> None:
    jobs = k8s_leader.leader_only(lease=lease)
    scheduler = BlockingScheduler()

    @jobs
    def tick(term: k8s_leader.Term) -> None:
        print(f"tick {os.getpid()} {term.fencing_token}", flush=True)

    scheduler.add_job(tick, "interval", seconds=0.2)
    signal.signal(signal.SIGTERM, lambda *_: scheduler.shutdown(wait=False))
    scheduler.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
