"""
A bot that polls for updates: two pollers of one token get a conflict (HTTP 409).

    python examples/poller.py https://api.example.org/botTOKEN reports

The offset of the next update lives on the server, as Telegram's does: a new leader
goes on where the last one acknowledged. What was handled and not yet acknowledged is
handled again.
"""

from __future__ import annotations

import sys
from typing import Any

import aiohttp

import k8s_leader


async def poll(session: aiohttp.ClientSession, url: str) -> None:
    offset = 0
    while True:
        query = {"offset": offset, "timeout": 30}
        async with session.get(f"{url}/getUpdates", params=query) as reply:
            reply.raise_for_status()
            updates: list[dict[str, Any]] = (await reply.json())["result"]
        for update in updates:
            message = {"text": f"you said: {update['text']}"}
            async with session.post(f"{url}/sendMessage", json=message) as sent:
                sent.raise_for_status()
            offset = update["update_id"] + 1


def main(url: str, lease: str) -> None:
    async def serve(_: k8s_leader.Term) -> None:
        async with aiohttp.ClientSession() as session:
            await poll(session, url)

    k8s_leader.run(serve, lease=lease)


if __name__ == "__main__":
    main(*sys.argv[1:])
