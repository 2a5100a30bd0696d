"""
A FastAPI app on every replica, with a background task on the leader only.

    EXAMPLE_LEASE=reports uvicorn examples.web_app:app

All replicas answer requests; a blocked request does not lose the lease, because
renewals run in a thread of their own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

import k8s_leader


async def background(candidate: k8s_leader.Candidate, app: FastAPI) -> None:
    async for term in candidate.terms():
        async with term:
            while True:
                app.state.rounds += 1
                await asyncio.sleep(0.1)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.rounds = 0
    async with k8s_leader.campaign(lease=os.environ["EXAMPLE_LEASE"]) as candidate:
        app.state.candidate = candidate
        task = asyncio.create_task(background(candidate, app))
        yield
        candidate.stop()  # the body is cancelled, then the lease is released
        await task


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def status(request: Request) -> dict[str, object]:
    state = request.app.state
    return {"leader": state.candidate.is_leader, "rounds": state.rounds}
