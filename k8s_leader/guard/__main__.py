"""
Start of the guard's process: ``python -I -S …/guard/__main__.py CONFIG_FD``.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if p != _here]
    sys.path.append(os.path.dirname(os.path.dirname(_here)))

import json
import signal

from k8s_leader.guard.environ import given_environ
from k8s_leader.guard.linux import become_subreaper
from k8s_leader.guard.supervisor import Guard
from k8s_leader.guard.tree import ALL_SIGNALS

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """
    Read the configuration and guard.
    """
    config_fd = int(argv[1])
    config = json.loads(os.pread(config_fd, os.fstat(config_fd).st_size, 0))
    os.set_inheritable(config_fd, False)
    if os.getpid() != 1:
        become_subreaper()
    status = Guard(config, config_fd=config_fd, environ=given_environ()).run()
    # Python gives up its handlers before it ends: a late signal must not decide how.
    signal.pthread_sigmask(signal.SIG_BLOCK, ALL_SIGNALS)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
