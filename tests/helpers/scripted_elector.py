"""
An elector that starts one term by the guard's own clock and then does as told.

Usage: ``scripted_elector.py AFTER CONFIG_FD SOCKET_FD``, AFTER being ``silent`` or the
exit status to end with at once, without a term.
"""

from __future__ import annotations

import json
import socket
import sys
import time


def main() -> int:
    """Speak to the guard until it reports that the tree is gone."""
    after, _, fd = sys.argv[1:]
    if after != "silent":
        return int(after)
    guard = socket.socket(fileno=int(fd))
    json.loads(guard.recv(32768))
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    start = {"type": "start", "token": 7, "uid": "u", "acquire_time": "t"}
    times = {"sent": now, "stop_at": now + 1.0, "until": now + 2.5}
    env = {"LEADER_FENCING_TOKEN": "7"}
    guard.send(json.dumps({**start, **times, "transitions": 0, "env": env}).encode())
    while packet := guard.recv(32768):
        if json.loads(packet)["type"] == "gone":
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
