"""
Exclusive among processes, and the record outlives the one that wrote it.

The stores that processes share: their candidates are processes here, started together
and asked at the same moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cluster import ApiServer
from tests.helpers.fake_kube import FakeKube

CANDIDATE = """
import asyncio, json, sys
from k8s_leader.app.stores import LeaseChoice, open_manager
from k8s_leader.clock import SystemClock
from k8s_leader.election.timing import Timing

async def main(identity, choice):
    opening = open_manager(
        LeaseChoice(**choice), identity=identity, clock=SystemClock(),
        timing=Timing.derive(60.0),
    )
    async with opening as opened:
        print("ready", flush=True)
        for line in sys.stdin:
            if line == "release\\n":
                print(await opened.manager.release(), flush=True)
                continue
            answer = await opened.manager.acquire(duration=60.0)
            said = [type(answer).__name__, opened.manager.holder]
            print(json.dumps(said), flush=True)

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""
NAMES = ("a", "b", "c")
ROUNDS = 3


@pytest.fixture(
    params=["sqlite", "fake-kube", pytest.param("kube", marks=pytest.mark.kube)]
)
async def choice(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[dict[str, Any]]:
    """
    A lease that does not exist yet, as a process is told of it.
    """
    name = f"job-{uuid.uuid4().hex[:8]}"
    kubernetes = {"store": "kubernetes", "lease": name}
    if request.param == "sqlite":
        yield {"store": "sqlite", "lease": str(tmp_path / "lease.db")}
    elif request.param == "fake-kube":
        async with FakeKube() as fake:
            path = fake.kubeconfig(tmp_path)
            yield {**kubernetes, "namespace": "default", "kubeconfig": path}
    else:
        server: ApiServer = request.getfixturevalue("api_server")
        path = str(server.admin_kubeconfig)
        namespace = request.getfixturevalue("namespace")
        yield {**kubernetes, "namespace": namespace, "kubeconfig": path}


@pytest.fixture
async def candidates(choice: dict[str, Any]) -> AsyncIterator[dict[str, Process]]:
    """
    Processes that wait for the word to begin.
    """
    async with contextlib.AsyncExitStack() as stack:
        started = {}
        for name in NAMES:
            words = (sys.executable, "-c", CANDIDATE, name, json.dumps(choice))
            made = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE)
            stack.push_async_callback(_end, made)
            started[name] = made
        for each in started.values():
            assert await _line(each) == "ready"
        yield started


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.communicate()


async def _line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return (await process.stdout.readline()).decode().strip()


def _tell(process: Process, word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n".encode())


async def _race(candidates: dict[str, Process]) -> dict[str, list[str]]:
    for each in candidates.values():
        _tell(each, "acquire")
    return {name: json.loads(await _line(each)) for name, each in candidates.items()}


@pytest.mark.slow
async def test_of_processes_that_ask_at_once_one_wins_and_its_record_outlives_it(
    candidates: dict[str, Process],
) -> None:
    for _ in range(ROUNDS):
        answers = await _race(candidates)
        (winner,) = [name for name, said in answers.items() if said[0] == "Held"]
        _tell(candidates[winner], "release")
        assert await _line(candidates[winner]) == "None"
    answers = await _race(candidates)
    (winner,) = [name for name, said in answers.items() if said[0] == "Held"]
    await _end(candidates.pop(winner))
    after = await _race(candidates)
    assert after == {name: ["Refused", winner] for name in candidates}
