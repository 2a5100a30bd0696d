"""
Scrapes ``/metrics`` over kept connections; a program of its own for many a second.

``python -m bench.scraper PORT PER_SECOND SECONDS`` prints how many were answered.
"""

from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

__all__ = ["Scraper"]

_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n"
_CONNECTIONS = 4


class Scraper:
    """
    One connection to an HTTP port of ours.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def scrape(self) -> float:
        """
        Return the seconds from the request to the last byte of its answer.
        """
        before = time.perf_counter()
        self._socket.sendall(_REQUEST)
        data = self._socket.recv(65536)
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.splitlines()[0].decode())
        lines = head.lower().splitlines()
        length = next(line for line in lines if line.startswith(b"content-length:"))
        left = int(length.split()[1]) - len(body)
        while left > 0:
            left -= len(self._socket.recv(65536))
        return time.perf_counter() - before


def _steadily(port: int, *, every: float, until: float) -> int:
    scraper, count = Scraper(port), 0
    due = time.monotonic()
    while (now := time.monotonic()) < until:
        if now < due:
            time.sleep(due - now)
        due += every
        scraper.scrape()
        count += 1
    return count


def _main() -> None:
    port, per_second, seconds = (int(word) for word in sys.argv[1:])
    until, every = time.monotonic() + seconds, _CONNECTIONS / per_second
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        jobs = [
            pool.submit(_steadily, port, every=every, until=until)
            for _ in range(_CONNECTIONS)
        ]
        print(sum(job.result() for job in jobs))


if __name__ == "__main__":
    _main()
