"""
A disk that does not answer: here a FIFO, which opens when somebody writes to it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from k8s_leader.kube.looking import Looking
from k8s_leader.kube.tls import Pem, Tls, TlsFiles
from k8s_leader.kube.tokens import Credential, FileToken
from tests.helpers.kube_tools import ManualClock, pem


def hang(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def hanging_token(folder: Path) -> tuple[Path, ManualClock, FileToken]:
    """
    Return a token that was read once, and cannot be read again.
    """
    path, clock = folder / "token", ManualClock()
    path.write_text("first")
    token = FileToken(str(path), clock=clock, setting="token")
    hang(path)
    return path, clock, token


def looking() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "k8s-leader-files"]


async def answer(path: Path, text: str) -> None:
    """
    Let the look that hangs read this, and come to its end.
    """
    (reader,) = looking()
    await asyncio.to_thread(path.write_text, text)
    await asyncio.to_thread(reader.join, 20)
    assert not reader.is_alive()


async def test_a_hanging_disk_delays_no_request_and_its_token_is_used_later(
    tmp_path: Path,
) -> None:
    path, clock, token = hanging_token(tmp_path)
    for _ in range(3):
        clock.advance(61.0)
        async with asyncio.timeout(10):
            assert (await token.current()).authorization == "Bearer first"
    clock.advance(-122.0)  # to when the look began
    await answer(path, "second")  # one look only
    assert (await token.current()).authorization == "Bearer second"


async def test_a_refused_token_is_read_anew_also_after_a_look_that_hung(
    tmp_path: Path,
) -> None:
    path, clock, token = hanging_token(tmp_path)
    clock.advance(61.0)
    await token.current()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):  # what a request has left
            await token.renewed()
    renewed = asyncio.ensure_future(token.renewed())
    await answer(path, "second")
    await asyncio.to_thread(path.write_text, "third")
    assert (await asyncio.wait_for(renewed, 20)).authorization == "Bearer third"


async def test_a_hanging_ca_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    path, clock = tmp_path / "ca.crt", ManualClock()
    path.write_text(pem("ca.pem"))
    files = TlsFiles(ca=Pem(setting="ca", path=str(path)))
    tls = Tls(files, clock=clock)
    first = await tls.current(Credential())
    hang(path)
    clock.advance(31.0)
    async with asyncio.timeout(10):
        assert await tls.current(Credential()) is first
        assert await tls.current(Credential()) is first
    await answer(path, pem("other-ca.pem"))
    assert await tls.current(Credential()) is not first


def test_the_end_does_not_wait_for_a_disk(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    hang(path)
    seen: list[str] = []
    asyncio.run(Looking(lambda: seen.append(path.read_text())).briefly())
    assert seen == []
    asyncio.run(answer(path, "late"))
    assert seen == ["late"]
