from __future__ import annotations

import asyncio
import os
import signal

import k8s_leader


def test_sigterm_stops_the_service_gracefully() -> None:
    ended = []

    async def serve(term: k8s_leader.Term) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(term.fencing_token)

    k8s_leader.run(serve, lease="memory:sigterm")
    assert len(ended) == 1
