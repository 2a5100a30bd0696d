"""
Scrapes ``/metrics``; a program of its own for many a second.

Each scrape has a connection of its own: ours closes each after its answer.
``python -m bench.scraper PORT PER_SECOND SECONDS`` prints how many were answered.
"""

from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

__all__ = ["scrape"]

_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n"
_AT_ONCE = 4


def scrape(port: int) -> float:
    """
    Return the seconds from the connection to the last byte of its answer.
    """
    before, answer = time.perf_counter(), bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(_REQUEST)
        while piece := connection.recv(65536):
            answer += piece
    took = time.perf_counter() - before
    head = answer.partition(b"\r\n")[0]
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    return took


def _steadily(port: int, *, every: float, until: float) -> int:
    count = 0
    due = time.monotonic()
    while (now := time.monotonic()) < until:
        if now < due:
            time.sleep(due - now)
        due += every
        scrape(port)
        count += 1
    return count


def _main() -> None:
    port, per_second, seconds = (int(word) for word in sys.argv[1:])
    until, every = time.monotonic() + seconds, _AT_ONCE / per_second
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        jobs = [
            pool.submit(_steadily, port, every=every, until=until)
            for _ in range(_AT_ONCE)
        ]
        print(sum(job.result() for job in jobs))


if __name__ == "__main__":
    _main()
